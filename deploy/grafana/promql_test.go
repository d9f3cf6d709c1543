package grafana_test

import "fmt"

// The variables that a dashboard's queries are narrowed by.
const (
	ofStore  = `store=~"$store"`
	ofSource = `store=~"$store", source=~"$source"`
	ofPerson = `store=~"$store", person=~"$person"`
)

// A window is the time over which a counter is looked at.
type window struct {
	length, step, offset string
	interval             string // the least $__interval, where length or step is one
}

var (
	// period is the dashboard's whole time range. Its step keeps the points of a subquery below pointsAtMost however long the range is.
	period = window{length: "$__range", step: "$__interval", interval: "1m"}
	// before is the time of the same length before it.
	before = window{length: "$__range", step: "$__interval", offset: " offset $__range", interval: "1m"}
	// eachDay and eachHour make a graph's points a day or an hour apart, or more in a long range. The point of a day stands at its
	// beginning and looks ahead: today's grows as the day does. A window is a second longer than what it is about (1d1s), so that it
	// begins with a point of its subquery: Prometheus 3 leaves out a point at the very beginning, and what came before the next with it.
	eachDay  = window{length: "${__interval}1s", step: "15m", offset: " offset -$__interval", interval: "1d"}
	eachHour = window{length: "${__interval}1s", step: "1m", offset: " offset -$__interval", interval: "1h"}
)

// most folds the replicas of a store-class metric, which show the same.
func most(metric, labels string) string {
	return fmt.Sprintf("max without (instance, pod) (%s{%s})", metric, labels)
}

// least folds the replicas of a store-class timestamp.
func least(metric, labels string) string {
	return fmt.Sprintf("min without (instance, pod) (%s{%s})", metric, labels)
}

// gained is by how much a store-class counter has grown. The replicas are folded first: the growth that one of them has seen misses what
// happened before its start, and a rolling restart would lose leads. Whole numbers undo the extrapolation that makes 3.1 of 3 leads.
func gained(metric, labels string, w window) string {
	return fmt.Sprintf("round(increase((%s)[%s:%s]%s))", most(metric, labels), w.length, w.step, w.offset)
}

// counted is by how much a process-class counter has grown in all processes.
func counted(by, metric string, w window) string {
	return sum(by, fmt.Sprintf("round(increase(%s[%s]%s))", metric, w.length, w.offset))
}

// sum adds up what is not told apart by the given labels.
func sum(by, expr string) string {
	if by == "" {
		return fmt.Sprintf("sum(%s)", expr)
	}
	return fmt.Sprintf("sum by (%s) (%s)", by, expr)
}

// share is the part of due responses that were not missed; nothing where none was due.
func share(by, what, labels string, w window) string {
	return fmt.Sprintf("1 - %s / (%s > 0)", sum(by, gained(what+"_missed_total", labels, w)), sum(by, gained(what+"_due_total", labels, w)))
}

// within is the number of a clock's stops within so many seconds. Prometheus 2 and 3 spell the bound in two ways.
func within(clock string, bound int, labels string, w window) string {
	return sum("", gained(clock+"_bucket", fmt.Sprintf(`%s, le=~"%d(\\.0)?"`, labels, bound), w))
}

// quantile reads a quantile off a clock's histogram. The comparison leaves out NaN, which is what a time without a stop has.
func quantile(q, by, clock, labels string, w window) string {
	if by != "" {
		by += ", "
	}
	return fmt.Sprintf("histogram_quantile(%s, %s) >= 0", q, sum(by+"le", gained(clock+"_bucket", labels, w)))
}

// since is the age of a store-class timestamp that is absent where there is none: 0 where the gauge that counts its like is known to be
// 0, and nothing where nothing is known, so that a Redis that cannot be read never looks like a floor with nobody waiting.
func since(timestamp, gauge string) string {
	return fmt.Sprintf("(time() - %s) or (%s == 0)", least(timestamp, ofStore), most(gauge, ofStore))
}

// named gives the persons of an expression by store and person their names. One name each, also while replicas differ in configuration.
func named(expr string) string {
	return fmt.Sprintf("(%s) * on (store, person) group_left (name) topk by (store, person) (1, max by (store, person, name) (leadfloor_person_info{%s}))", expr, ofStore)
}
