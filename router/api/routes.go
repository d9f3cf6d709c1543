package api

// routes lists every call. A path that names a store or a lead is refused before its handler is asked, unless the token covers the
// store and the store is configured.
func routes(r Router, in Intake) []route {
	return []route{
		{"GET", "/stores", readFloor, listStores(r)},
		{"GET", "/stores/{store}/leads", readLeads, listLeads(r)},
		{"POST", "/stores/{store}/leads", addLeads, addLead(r, in)},
		{"POST", "/stores/{store}/events", tellStore, logFound(r)},
		{"GET", "/stores/{store}/floor", readFloor, showFloor(r)},
		{"PUT", "/stores/{store}/floor/{person}", setFloor, putFloor(r)},
		{"GET", "/stores/{store}/turnovers", readFloor, listTurnovers(r)},
		{"GET", "/stores/{store}/messages", readFloor, listMessages(r)},
		{"GET", "/stores/{store}/messages/{message}", endHold, showMessage(in)},
		{"POST", "/stores/{store}/messages/{message}/release", endHold, releaseMessage(in)},
		{"POST", "/stores/{store}/messages/{message}/discard", endHold, discardMessage(r)},
		{"GET", "/leads/{lead}", readLeads, showLead(r)},
		{"GET", "/leads/{lead}/events", readLeads, listEvents(r)},
		{"POST", "/leads/{lead}/events", tellLead, logEvent(r)},
		{"PUT", "/leads/{lead}/owner", assign, putOwner(r)},
		{"POST", "/leads/{lead}/merge", assign, mergeLead(r)},
		{"POST", "/leads/{lead}/split", assign, splitLead(r)},
		{"POST", "/leads/{lead}/forget", forget, forgetLead(in)},
	}
}
