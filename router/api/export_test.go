package api

import "leadfloor/router"

// Routes lists every call as "METHOD /path".
func Routes() []string {
	var all []string
	for _, rt := range routes(nil, nil) {
		all = append(all, rt.method+" "+rt.path)
	}
	return all
}

// DecodeEntry reads a JSON entry for a store.
func DecodeEntry(body []byte, f *router.Rooftop) (*router.Arrival, error) {
	var e entry
	if err := decode(body, &e); err != nil {
		return nil, err
	}
	return e.arrival(f)
}
