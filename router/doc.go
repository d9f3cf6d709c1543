// Package router is the business: leads, the floor, the one rotation, the clocks and the life of a lead, as the trade knows them.
// It does not know ADF, IMAP, Redis, Prometheus or HTTP, and reads the time only where it is handed in.
package router
