package grafana_test

import "fmt"

// leads are new leads, less what turned out to be none: what the funnel's shares are taken of.
func leads(w window) string {
	return fmt.Sprintf("(%s - %s)", sum("", gained(received, ofSource, w)), sum("", gained(void, ofSource, w)))
}

// managerBoard is for whoever answers for the numbers: are customers answered in time, by whom, from where, and what comes of it.
func managerBoard() board {
	total := func(metric string) target { return now(sum("", gained(metric, ofSource, period)), "").every(period) }
	daily := func(expr, legend string) target { return along(expr, legend).every(eachDay) }
	open := func(q string, w window) string { return quantile(q, "", responseOpen, ofSource, w) }
	answers := sum("", gained(responseOpen+"_count", ofSource, eachDay))
	due := sum("", gained(responses+"_due_total", ofSource, eachDay))
	person := func(metric string) string {
		return named(sum("store, person", gained(metric, ofPerson, period)))
	}
	source := func(metric string) string { return sum("source", gained(metric, ofSource, period)) }
	return board{
		name: "manager", title: "leadfloor / Manager", from: "now-7d/d", refresh: "5m",
		about:     "Response, contact and the funnel over a time range: by day, by person, by source. Figures are gross: what was taken back later stands under corrections.",
		variables: []variable{storeVariable(), sourceVariable(), personVariable()},
		lines: []line{
			{4, []sized{
				{4, stat(facts{
					"New leads", "New customers in the time range, less the leads that were found to be none.", number, unknown,
				}, now(leads(period), "").every(period))},
				{4, stat(facts{
					"In target", "Of the responses that fell due in the time range, the share that was given in time. Deadlines are in open hours of the store. A lead that nobody answers counts against it at its deadline.", ratio, "none due",
				}, now(share("", responses, ofSource, period), "").every(period)).limit(bad, inTarget...)},
				{4, stat(facts{
					"In target, against the time before", "How much larger the share in target is than in the time of the same length before, in hundredths of all.", ratio, "nothing to compare with",
				}, now(fmt.Sprintf("(%s) - (%s)", share("", responses, ofSource, period), share("", responses, ofSource, before)), "").every(period)).
					limit(bad, at(-.02, calm), at(.02, good))},
				{4, stat(facts{
					"Median response", "Half of the responses in the time range came sooner, in open hours of the store. Read off buckets.", duration, "none given",
				}, now(open("0.5", period), "").every(period)).limit(good, at(300, fair), at(900, bad))},
				{4, stat(facts{
					"90 of 100 responses within", "One in ten responses in the time range took longer, in open hours of the store. Read off buckets.", duration, "none given",
				}, now(open("0.9", period), "").every(period)).limit(good, at(900, fair), at(3600, bad))},
				{4, stat(facts{
					"In contact", "Leads that came to two-way contact in the time range, as a share of its new leads. Contact may be with leads of an earlier time.", ratio, "no new leads",
				}, now(fmt.Sprintf("%s / (%s > 0)", sum("", gained(contacted, ofSource, period)), leads(period)), "").every(period)).
					limit(bad, at(.4, fair), at(.6, good))},
			}},
			{9, []sized{
				{12, bars(facts{
					"In target, by day", "Share of the responses that fell due each day and were given in time.", ratio, "none due in this time",
				}, daily(share("", responses, ofSource, eachDay), "in target")).apart().to(1).limit(bad, inTarget...).judged()},
				{12, bars(facts{
					"Responses by how long they took", "Each day's responses by the open hours they took. Not answered: deadlines of that day beyond its responses, so a late answer of another day makes it smaller.", number, "no figures in this time",
				},
					daily(within(responseOpen, 300, ofSource, eachDay), "5 min or less"),
					daily(within(responseOpen, 900, ofSource, eachDay)+" - "+within(responseOpen, 300, ofSource, eachDay), "5 to 15 min"),
					daily(within(responseOpen, 3600, ofSource, eachDay)+" - "+within(responseOpen, 900, ofSource, eachDay), "15 to 60 min"),
					daily(answers+" - "+within(responseOpen, 3600, ofSource, eachDay), "over 60 min"),
					daily(fmt.Sprintf("clamp_min(%s - %s, 0)", due, answers), "not answered"),
				).paint([2]string{"5 min or less", "green"}, [2]string{"5 to 15 min", "yellow"}, [2]string{"15 to 60 min", "orange"},
					[2]string{"over 60 min", "red"}, [2]string{"not answered", "dark-red"})},
			}},
			{8, []sized{
				{12, graph(facts{
					"Time to response, by day", "Median and 90 of 100, in the store's open hours and as the customer's clock has it.", duration, "no response in this time",
				},
					daily(open("0.5", eachDay), "median, open hours"), daily(open("0.9", eachDay), "90 of 100, open hours"),
					daily(quantile("0.5", "", responseWall, ofSource, eachDay), "median, all hours"), daily(quantile("0.9", "", responseWall, ofSource, eachDay), "90 of 100, all hours"))},
				{12, graph(facts{
					"Time to assignment and contact, by day", "Medians from arrival, closed hours included: until a salesperson had the lead, and until the customer answered, talked to us or came in.", duration, "none in this time",
				},
					daily(quantile("0.5", "", "leadfloor_lead_assignment_seconds", ofSource, eachDay), "to assignment"),
					daily(quantile("0.5", "", "leadfloor_lead_contact_seconds", ofSource, eachDay), "to contact"))},
			}},
			{9, []sized{
				{24, table(facts{
					"By person", "Each person's work in the time range, managers included. In target runs from the person's own assignment, the mean response from the arrival. Untouched is now. Not narrowed by source.", number, "nobody configured",
				},
					label("name", "Person"), label("store", "Store"),
					value("Given", number, person("leadfloor_leads_assigned_total")).over(period),
					value("Turns", number, person("leadfloor_person_turns_total")).over(period),
					value("Due", number, person(personResponses+"_due_total")).over(period),
					value("Missed", number, person(personResponses+"_missed_total")).over(period).limit("transparent", at(1, fair)),
					value("In target", ratio, named(share("store, person", personResponses, ofPerson, period))).over(period).limit(bad, inTarget...),
					value("Mean response", duration, named(fmt.Sprintf("%s / (%s > 0)",
						sum("store, person", gained("leadfloor_person_response_seconds_sum", ofPerson, period)),
						sum("store, person", gained("leadfloor_person_response_seconds_count", ofPerson, period))))).over(period),
					value("Attempts", number, person("leadfloor_person_attempts_total")).over(period),
					value("In contact", number, person("leadfloor_person_contacts_total")).over(period),
					value("Untouched", number, named(sum("store, person", most("leadfloor_person_leads_untouched", ofPerson)))).limit("transparent", at(1, fair), at(3, bad)),
				).hide("person")},
			}},
			{9, []sized{
				{24, table(facts{
					"By source", "What each source brought in the time range and what came of it, whenever the lead arrived. Copies did not count.", number, "no source configured",
				},
					label("source", "Source"),
					value("New leads", number, source(received)).over(period),
					value("Arrivals", number, source("leadfloor_touches_total")).over(period),
					value("Copies", number, source("leadfloor_duplicates_total")).over(period),
					value("Void", number, source(void)).over(period),
					value("In target", ratio, share("source", responses, ofSource, period)).over(period).limit(bad, inTarget...),
					value("Answered", number, source(responded)).over(period),
					value("In contact", number, source(contacted)).over(period),
					value("Appointments", number, source(appointments)).over(period),
					value("Came", number, source(shown)).over(period),
					value("Sold", number, source(sold)).over(period),
					value("Lost", number, source(lost)).over(period),
				)},
			}},
			{8, []sized{
				{8, barGauge(facts{
					"Funnel", "Leads that reached each step in the time range, each once a step, whenever they arrived.", number, unknown,
				},
					now(leads(period), "New").every(period), legend(total(responded), "Answered"), legend(total(contacted), "In contact"),
					legend(total(appointments), "Appointment"), legend(total(shown), "Came"), legend(total(sold), "Sold"))},
				{8, bars(facts{
					"New leads by source, by day", "New customers each day, by where they came from.", number, "no figures in this time",
				}, daily(sum("source", gained(received, ofSource, eachDay)), "{{source}}"))},
				{8, bars(facts{
					"Attempts by means, by day", "How people tried to reach customers, responses included.", number, "no figures in this time",
				}, daily(sum("channel", gained("leadfloor_person_attempts_total", ofPerson, eachDay)), "{{channel}}"))},
			}},
			{6, []sized{
				{4, stat(facts{
					"T.O. owed", "Customers whom a manager has yet to talk to before their lead may close, now.", number, unknown,
				}, now(sum("", most("leadfloor_turnovers_owed", ofStore)), "")).limit(good, at(1, fair), at(5, bad))},
				{4, stat(facts{
					"T.O. late by", "How long ago the first T.O. that is still owed was due; below 0, how long until then.", duration, unknown,
				}, now(since("leadfloor_turnover_oldest_deadline_timestamp_seconds", "leadfloor_turnovers_owed"), "{{store}}")).
					limit(good, at(1, bad)).say(text{0, "none owed", good})},
				{6, barGauge(facts{
					"T.O. done, by outcome", "Turnovers that a manager has done in the time range: the deal saved, an appointment made, or lost.", number, unknown,
				}, now(sum("reason", gained("leadfloor_turnovers_total", ofStore, period)), "{{reason}}").every(period)).
					paint([2]string{"saved", good}, [2]string{"appointment", calm}, [2]string{"lost", bad})},
				{6, barGauge(facts{
					"Taken back", "Entries of the time range that were corrected, by what they had told. The other figures still count them.", number, unknown,
				}, now(sum("kind", gained("leadfloor_corrections_total", ofStore, period)), "{{kind}}").every(period))},
				{4, stat(facts{
					"Spread of turns", "Most less fewest turns dealt to people of equal weight since the floor last changed. The rotation keeps it at 1 or less.", number, unknown,
				}, now(most("leadfloor_rotation_spread", ofStore), "{{store}}")).limit(good, at(2, bad))},
			}},
		},
	}
}

// legend names a series.
func legend(t target, name string) target {
	t.Legend = name
	return t
}
