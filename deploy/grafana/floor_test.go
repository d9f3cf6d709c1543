package grafana_test

// Names of metrics that stand in many panels.
const (
	received     = "leadfloor_leads_received_total"
	void         = "leadfloor_leads_void_total"
	responded    = "leadfloor_leads_responded_total"
	contacted    = "leadfloor_leads_contacted_total"
	appointments = "leadfloor_appointments_set_total"
	shown        = "leadfloor_appointments_shown_total"
	sold         = "leadfloor_leads_sold_total"
	lost         = "leadfloor_leads_lost_total"
	untouched    = "leadfloor_leads_untouched"
	overdue      = "leadfloor_leads_overdue"

	// Each has a counter of what was due and one of what was missed.
	responses       = "leadfloor_responses"
	personResponses = "leadfloor_person_responses"

	responseWall = "leadfloor_lead_response_seconds"
	responseOpen = "leadfloor_lead_response_open_seconds"
)

// unknown is shown in place of a figure that is always there while it can be read.
const unknown = "not known"

// The share of responses in target that is fair, and the one that is good.
var inTarget = []step{at(.6, fair), at(.85, good)}

// floorBoard is for the screen on the wall of the sales floor: who is on, who waits, how today goes. It can be read from across the room.
func floorBoard() board {
	return board{
		name: "floor", title: "leadfloor / Floor", from: "now/d", refresh: "15s",
		about:     "The sales floor now and today: who is on, which customers wait, how many were answered in time.",
		variables: []variable{storeVariable()},
		lines: []line{
			{5, []sized{
				{4, stat(facts{
					"Untouched now", "Leads whose latest enquiry nobody has attempted to answer. Should be 0.", number, unknown,
				}, now(most(untouched, ofStore), "{{store}}")).limit(good, at(1, fair), at(5, bad))},
				{4, stat(facts{
					"Longest wait", "How long the untouched lead that arrived first has waited, closed hours included.", duration, unknown,
				}, now(since("leadfloor_lead_oldest_untouched_timestamp_seconds", untouched), "{{store}}")).
					limit(good, at(300, fair), at(900, bad)).say(text{0, "nobody waits", good})},
				{4, stat(facts{
					"Overdue now", "Untouched leads whose response was due already, by the store's target in its open hours.", number, unknown,
				}, now(most(overdue, ofStore), "{{store}}")).limit(good, at(1, bad))},
				{4, stat(facts{
					"Held by a manager", "Leads that arrived while nobody was on the floor and are not dealt yet.", number, unknown,
				}, now(most("leadfloor_leads_waiting", ofStore), "{{store}}")).limit(good, at(1, fair))},
				{4, stat(facts{
					"In target today", "Of the responses that fell due in the time range, the share that was given in time. A lead that nobody answers counts against it at its deadline.", ratio, "none due yet",
				}, now(share("store", responses, ofStore, period), "{{store}}").every(period)).limit(bad, inTarget...)},
				{4, stat(facts{
					"Median response today", "Half of the responses in the time range came sooner, in open hours of the store. Read off buckets, so between two of their bounds it is an estimate.", duration, "none yet",
				}, now(quantile("0.5", "store", responseOpen, ofStore, period), "{{store}}").every(period)).
					limit(good, at(300, fair), at(900, bad))},
			}},
			{4, []sized{
				{4, stat(facts{
					"New leads today", "New customers in the time range. Later enquiries of theirs are not counted again.", number, unknown,
				}, now(sum("store", gained(received, ofStore, period)), "{{store}}").every(period))},
				{4, stat(facts{
					"Answered today", "Leads that got their first response in the time range, whenever they arrived.", number, unknown,
				}, now(sum("store", gained(responded, ofStore, period)), "{{store}}").every(period))},
				{4, stat(facts{
					"In contact today", "Leads whose customer first answered, talked to us or came in during the time range, whenever they arrived.", number, unknown,
				}, now(sum("store", gained(contacted, ofStore, period)), "{{store}}").every(period))},
				{4, stat(facts{
					"T.O. owed", "Customers whom a manager has yet to talk to before their lead may close.", number, unknown,
				}, now(most("leadfloor_turnovers_owed", ofStore), "{{store}}")).limit(good, at(1, fair), at(5, bad))},
				{4, stat(facts{
					"Held mail", "Messages that claim to hold a lead and could not be read, or broke a rule. Somebody has to look at them.", number, unknown,
				}, now(most("leadfloor_quarantined", ofStore), "{{store}}")).limit(good, at(1, bad))},
				{4, stat(facts{
					"These figures", "Whether a daemon answers and could read the books of every store. If not, what stands here is old or missing.", number, "no daemon answers",
				}, now("max(leadfloor_redis_up)", "")).say(text{1, "live", good}, text{0, "books cannot be read", bad})},
			}},
			{10, []sized{
				{13, table(facts{
					"People", "Everybody who may own a lead. On: can be dealt the next one. Given, turns and in target are of the time range, the latter from the person's own assignment.", number, "nobody configured",
				},
					label("name", "Person"), label("store", "Store"),
					value("On", number, named(sum("store, person", most("leadfloor_person_available", ofStore)))).say(text{1, "on", good}, text{0, "off", ""}),
					value("Untouched", number, named(sum("store, person", most("leadfloor_person_leads_untouched", ofStore)))).limit(good, at(1, fair), at(3, bad)),
					value("Given", number, named(sum("store, person", gained("leadfloor_leads_assigned_total", ofStore, period)))).over(period),
					value("Turns", number, named(sum("store, person", gained("leadfloor_person_turns_total", ofStore, period)))).over(period),
					value("In target", ratio, named(share("store, person", personResponses, ofStore, period))).over(period).limit(bad, inTarget...),
				).hide("person")},
				{11, timeline(facts{
					"Who was on", "When each salesperson could be dealt a lead: on, not busy and under their cap.", number, "nobody on the roster",
				}, along(named(sum("store, person", most("leadfloor_person_available", ofStore))), "{{name}}")).say(text{1, "on", good}, text{0, "off", "dark-blue"})},
			}},
			{8, []sized{
				{8, graph(facts{
					"Untouched and overdue", "How many customers waited, and how many of them for longer than the target.", number, "no figures in this time",
				},
					along(sum("", most(untouched, ofStore)), "untouched"), along(sum("", most(overdue, ofStore)), "overdue"),
				).paint([2]string{"untouched", fair}, [2]string{"overdue", bad})},
				{8, bars(facts{
					"New leads by hour", "New customers by the source they came from, each hour.", number, "no figures in this time",
				}, along(sum("source", gained(received, ofStore, eachHour)), "{{source}}").every(eachHour))},
				{8, barGauge(facts{
					"Last heard of", "How long ago each source last brought an arrival that counted. A source that never did is not shown.", duration, "nothing ever arrived",
				}, now("min by (source) (time() - "+least("leadfloor_last_lead_timestamp_seconds", ofStore)+")", "{{source}}"))},
			}},
		},
	}
}
