package grafana_test

// operationsBoard is for whoever keeps leadfloor running: is every mailbox read, is Redis well, do the books balance.
func operationsBoard() board {
	const rate = "$__rate_interval"
	hourly := func(expr, legend string) target { return along(expr, legend).every(eachHour) }
	delay := func(q string) string {
		return "histogram_quantile(" + q + ", " + counted("le", "leadfloor_ingest_delay_seconds_bucket", eachHour) + ") >= 0"
	}
	command := func(q string) string {
		return "histogram_quantile(" + q + ", sum by (le) (rate(leadfloor_redis_command_duration_seconds_bucket[" + rate + "]))) >= 0"
	}
	// The collectors of Go and of the process have no prefix of ours: only the targets that are leadfloor count.
	ours := func(expr string) string {
		return expr + " and on (job, instance) leadfloor_build_info"
	}
	return board{
		name: "operations", title: "leadfloor / Operations", from: "now-24h", refresh: "30s",
		about:     "The daemon and what it depends on: mailboxes, the way in, Redis, the configuration, the books.",
		variables: []variable{storeVariable()},
		lines: []line{
			{4, []sized{
				{4, stat(facts{
					"Daemons", "Processes of leadfloor that Prometheus could scrape, by version.", number, "no daemon answers",
				}, now("count by (version) (leadfloor_build_info)", "{{version}}"))},
				{4, stat(facts{
					"Redis", "Whether the books of every store could be read at the last scrape, by the worst replica.", number, "no daemon answers",
				}, now("min(leadfloor_redis_up)", "")).say(text{1, "readable", good}, text{0, "cannot be read", bad})},
				{4, stat(facts{
					"Redis memory", "Memory that Redis uses, of what it may use. When it is full, leads wait in their mailboxes.", ratio, "no limit known",
				}, now("max(leadfloor_redis_memory_ratio)", "")).limit(good, at(.75, fair), at(.9, bad))},
				{4, stat(facts{
					"Last reload", "Whether the last attempt to load the configuration was successful in every replica. If not, the one before goes on.", number, "no daemon answers",
				}, now("min(leadfloor_config_last_reload_successful)", "")).say(text{1, "successful", good}, text{0, "refused", bad})},
				{4, stat(facts{
					"Configurations in use", "More than one: replicas differ, and those not on the one last loaded stand by.", number, "no daemon answers",
				}, now(`count(count_values("hash", leadfloor_config_hash))`, "")).limit(good, at(2, bad))},
				{4, stat(facts{
					"Held mail", "Messages that could not be read as the lead they claim to be, or broke a rule: all stores.", number, unknown,
				}, now(sum("", most("leadfloor_quarantined", ofStore)), "")).limit(good, at(1, fair))},
			}},
			{8, []sized{
				{8, alerts("Alerts", "What fires or is about to, of the rules of leadfloor, in all Prometheus servers that Grafana knows. Empty where the rules are not loaded.")},
				{10, timeline(facts{
					"Mailboxes", "Whether some replica is logged in to each mailbox with its folder selected.", number, "no mailbox configured",
				}, along("max by (mailbox) (leadfloor_mailbox_up)", "{{mailbox}}")).say(text{1, "connected", good}, text{0, "down", bad})},
				{6, barGauge(facts{
					"Last looked at", "How long ago all that each mailbox held had been looked at. A mailbox that never was is not shown.", duration, "never yet",
				}, now("time() - (max by (mailbox) (leadfloor_mailbox_last_success_timestamp_seconds) > 0)", "{{mailbox}}")).
					limit(good, at(180, fair), at(600, bad))},
			}},
			{8, []sized{
				{8, bars(facts{
					"Messages by fate", "What became of the messages that were settled, each hour.", number, "no figures in this time",
				}, hourly(counted("fate", "leadfloor_messages_total", eachHour), "{{fate}}")).
					paint([2]string{"quarantined", bad})},
				{8, graph(facts{
					"Ingest delay", "From a message's arrival in its mailbox to the decision on it, of the messages of each hour. Read off buckets.", duration, "no message in this time",
				}, hourly(delay("0.5"), "median"), hourly(delay("0.99"), "99 of 100"))},
				{8, bars(facts{
					"Repairs by kind", "Faults in lead documents that were repaired while reading them, each hour. A new kind may mean that a vendor has changed something.", number, "nothing repaired in this time",
				}, hourly(counted("kind", "leadfloor_parse_repairs_total", eachHour)+" > 0", "{{kind}}"))},
			}},
			{8, []sized{
				{8, bars(facts{
					"Mailbox errors", "Failures of work on each mailbox, each hour. They are tried again by themselves.", number, "none in this time",
				}, hourly(counted("mailbox, reason", "leadfloor_mailbox_errors_total", eachHour)+" > 0", "{{mailbox}}: {{reason}}"))},
				{8, graph(facts{
					"Redis: time of a command", "The way there and back included, over all commands of all replicas. Read off buckets.", duration, "no command in this time",
				}, along(command("0.5"), "median"), along(command("0.99"), "99 of 100"))},
				{8, graph(facts{
					"Redis: commands", "Commands sent by all replicas.", perSec, "no figures in this time",
				}, along("sum(rate(leadfloor_redis_command_duration_seconds_count["+rate+"]))", "commands"))},
			}},
			{7, []sized{
				{12, timeline(facts{
					"Redis: what could lose leads", "Each setting of Redis for which decided leads could be lost, as the daemon last asked.", number, "no daemon answered",
				}, along("max by (reason) (leadfloor_redis_can_lose_data)", "{{reason}}")).say(text{0, "safe", good}, text{1, "can lose leads", bad})},
				{12, table(facts{
					"Books", "Each store's books. Differences: between the state and the event log, where 0 is right. Begun: when the counters started, at the first start or at a restore.", number, "no store can be read",
				},
					label("store", "Store"),
					value("Mode", number, sum("store", most("leadfloor_store_live", ofStore))).say(text{1, "live", good}, text{0, "shadow", fair}),
					value("Differences", number, sum("store", most("leadfloor_books_difference", ofStore))).limit(good, at(1, bad)),
					value("Held mail", number, sum("store", most("leadfloor_quarantined", ofStore))).limit(good, at(1, fair)),
					value("Response target", duration, sum("store", most("leadfloor_response_target_seconds", ofStore))),
					value("Begun", ago, "min by (store) (leadfloor_store_epoch_timestamp_seconds{"+ofStore+"}) * 1000"))},
			}},
			{7, []sized{
				{8, table(facts{
					"Builds", "What runs where, and since when it has had its configuration.", number, "no daemon answers",
				},
					label("instance", "Instance"), label("version", "Version"), label("revision", "Revision"), label("goversion", "Go"),
					value("Configuration", ago, "max by (instance) (leadfloor_config_last_reload_success_timestamp_seconds) * 1000 * on (instance) group_left (version, revision, goversion) max by (instance, version, revision, goversion) (leadfloor_build_info)"))},
				{5, graph(facts{
					"Memory", "Resident memory of each process.", bytesIEC, "no figures in this time",
				}, along(ours("process_resident_memory_bytes"), "{{instance}}"))},
				{5, graph(facts{
					"CPU", "Processor time used by each process: 1 is one core.", number, "no figures in this time",
				}, along(ours("rate(process_cpu_seconds_total["+rate+"])"), "{{instance}}")).fractions()},
				{6, graph(facts{
					"Goroutines and files", "Goroutines and open files of each process. Steady growth is a leak.", number, "no figures in this time",
				}, along(ours("go_goroutines"), "{{instance}}: goroutines"), along(ours("process_open_fds"), "{{instance}}: files"))},
			}},
		},
	}
}
