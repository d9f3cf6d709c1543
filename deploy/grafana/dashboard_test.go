package grafana_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// What Grafana reads, as far as the dashboards use it. The order of fields is the order in the files.
type (
	dashboard struct {
		UID           string     `json:"uid"`
		Title         string     `json:"title"`
		Description   string     `json:"description"`
		Tags          []string   `json:"tags"`
		Editable      bool       `json:"editable"`
		GraphTooltip  int        `json:"graphTooltip"`
		SchemaVersion int        `json:"schemaVersion"`
		Version       int        `json:"version"`
		ID            *int       `json:"id"` // Grafana's own
		Timezone      string     `json:"timezone"`
		Refresh       string     `json:"refresh"`
		Time          timeRange  `json:"time"`
		Links         []link     `json:"links"`
		Annotations   annotated  `json:"annotations"`
		Templating    templating `json:"templating"`
		Panels        []panel    `json:"panels"`
	}
	timeRange struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	link struct {
		Type        string   `json:"type"`
		Title       string   `json:"title"`
		Tags        []string `json:"tags"`
		AsDropdown  bool     `json:"asDropdown"`
		IncludeVars bool     `json:"includeVars"`
		KeepTime    bool     `json:"keepTime"`
	}
	annotated struct {
		List []annotation `json:"list"`
	}
	annotation struct {
		Name            string     `json:"name"`
		Datasource      datasource `json:"datasource"`
		Enable          bool       `json:"enable"`
		IconColor       string     `json:"iconColor"`
		Expr            string     `json:"expr"`
		Step            string     `json:"step"`
		TitleFormat     string     `json:"titleFormat"`
		UseValueForTime bool       `json:"useValueForTime"`
	}
	datasource struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	templating struct {
		List []variable `json:"list"`
	}
	variable struct {
		Name       string      `json:"name"`
		Label      string      `json:"label"`
		Type       string      `json:"type"`
		Datasource *datasource `json:"datasource,omitempty"`
		Query      any         `json:"query"`
		Refresh    int         `json:"refresh,omitempty"`
		Sort       int         `json:"sort,omitempty"`
		Multi      bool        `json:"multi"`
		IncludeAll bool        `json:"includeAll"`
		AllValue   string      `json:"allValue,omitempty"`
		Current    *current    `json:"current,omitempty"`
	}
	current struct {
		Text  []string `json:"text"`
		Value []string `json:"value"`
	}
	variableQuery struct {
		Type  int    `json:"qryType"`
		Query string `json:"query"`
		RefID string `json:"refId"`
	}
	panel struct {
		ID              int              `json:"id"`
		Type            string           `json:"type"`
		Title           string           `json:"title"`
		Description     string           `json:"description"`
		GridPos         gridPos          `json:"gridPos"`
		Datasource      *datasource      `json:"datasource,omitempty"`
		MaxDataPoints   int              `json:"maxDataPoints,omitempty"`
		FieldConfig     *fieldConfig     `json:"fieldConfig,omitempty"`
		Options         map[string]any   `json:"options"`
		Targets         []target         `json:"targets,omitempty"`
		Transformations []transformation `json:"transformations,omitempty"`
	}
	gridPos struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	}
	fieldConfig struct {
		Defaults  field      `json:"defaults"`
		Overrides []override `json:"overrides"`
	}
	field struct {
		Unit       string         `json:"unit"`
		NoValue    string         `json:"noValue"`
		Decimals   *int           `json:"decimals,omitempty"`
		Min        *float64       `json:"min,omitempty"`
		Max        *float64       `json:"max,omitempty"`
		Color      fieldColor     `json:"color"`
		Thresholds thresholds     `json:"thresholds"`
		Mappings   []mapping      `json:"mappings"`
		Custom     map[string]any `json:"custom,omitempty"`
	}
	fieldColor struct {
		Mode string `json:"mode"`
	}
	thresholds struct {
		Mode  string `json:"mode"`
		Steps []step `json:"steps"`
	}
	step struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"` // null: from the least value on
	}
	mapping struct {
		Type    string               `json:"type"`
		Options map[string]valueText `json:"options"`
	}
	valueText struct {
		Text  string `json:"text"`
		Color string `json:"color,omitempty"`
		Index int    `json:"index"`
	}
	override struct {
		Matcher    option   `json:"matcher"`
		Properties []option `json:"properties"`
	}
	option struct {
		ID      string `json:"id"`
		Options any    `json:"options,omitempty"`
		Value   any    `json:"value,omitempty"`
	}
	target struct {
		RefID      string     `json:"refId"`
		Datasource datasource `json:"datasource"`
		Expr       string     `json:"expr"`
		Legend     string     `json:"legendFormat"`
		Format     string     `json:"format"`
		Instant    bool       `json:"instant"`
		Range      bool       `json:"range"`
		Interval   string     `json:"interval,omitempty"` // the least $__interval
		EditorMode string     `json:"editorMode"`
	}
	transformation struct {
		ID      string         `json:"id"`
		Options map[string]any `json:"options"`
	}
)

const (
	schemaVersion = 41 // Grafana 11.6 and 12; later ones bring it up to date themselves
	tag           = "leadfloor"

	// pointsAtMost bounds the points of a query, and so the steps of what it asks for the whole time range.
	pointsAtMost = 1500

	columns = 24 // of Grafana's grid
)

// Units, by their Grafana names.
const (
	number   = "none"
	duration = "s"
	ratio    = "percentunit"
	bytesIEC = "bytes"
	perSec   = "ops"
	ago      = "dateTimeFromNow" // of a timestamp in milliseconds
)

// Colours of thresholds.
const (
	good = "green"
	fair = "orange"
	bad  = "red"
	calm = "blue" // where nothing is good or bad
)

var prometheusDS = datasource{Type: "prometheus", UID: "${datasource}"}

// A board is one dashboard before it is laid out: lines of panels from left to right, each as wide as it says.
type board struct {
	name, title, about string
	from, refresh      string
	variables          []variable
	lines              []line
}

// A line is some panels of one height.
type line struct {
	height int
	panels []sized
}

type sized struct {
	width int
	panel
}

func (b board) build() dashboard {
	d := dashboard{
		UID: "leadfloor-" + b.name, Title: b.title, Description: b.about, Tags: []string{tag},
		GraphTooltip: 1, SchemaVersion: schemaVersion, Version: 1, Timezone: "browser", Refresh: b.refresh, Time: timeRange{b.from, "now"},
		Links:       []link{{Type: "dashboards", Title: "leadfloor", Tags: []string{tag}, IncludeVars: true}},
		Annotations: annotated{annotations()},
		Templating:  templating{append([]variable{{Name: "datasource", Label: "Prometheus", Type: "datasource", Query: "prometheus"}}, b.variables...)},
	}
	y := 0
	for _, l := range b.lines {
		x := 0
		for _, s := range l.panels {
			p := s.panel
			p.ID = len(d.Panels) + 1
			p.GridPos = gridPos{H: l.height, W: s.width, X: x, Y: y}
			d.Panels = append(d.Panels, p)
			x += s.width
		}
		y += l.height
	}
	return d
}

// marshal writes a dashboard as it stands in its file.
func (d dashboard) marshal() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("write dashboard %q: %w", d.UID, err)
	}
	return b.Bytes(), nil
}

func annotations() []annotation {
	return []annotation{
		{
			Name: "New version", Datasource: prometheusDS, Enable: true, IconColor: "blue", Step: "1m", TitleFormat: "leadfloor {{version}}",
			Expr: "count by (version) (leadfloor_build_info) unless count by (version) (leadfloor_build_info offset 5m)",
		},
		{
			Name: "Configuration loaded", Datasource: prometheusDS, Enable: true, IconColor: "purple", Step: "1m", TitleFormat: "configuration loaded by {{instance}}",
			Expr: "leadfloor_config_last_reload_success_timestamp_seconds * 1000", UseValueForTime: true,
		},
		{
			Name: "Books begun or restored", Datasource: prometheusDS, Enable: true, IconColor: "red", Step: "1m", TitleFormat: "books of {{store}} begun or restored",
			Expr: least("leadfloor_store_epoch_timestamp_seconds", ofStore) + " * 1000", UseValueForTime: true,
		},
	}
}

// labelValues is a variable with the values of a label, all of them at first.
func labelValues(name, label, series string) variable {
	query := fmt.Sprintf("label_values(%s, %s)", series, name)
	return variable{
		Name: name, Label: label, Type: "query", Datasource: &prometheusDS, Query: variableQuery{Type: 1, Query: query, RefID: name},
		Refresh: 2, // whenever the time range changes
		Sort:    1, // by the alphabet
		Multi:   true, IncludeAll: true, AllValue: ".*", Current: &current{[]string{"All"}, []string{"$__all"}},
	}
}

func storeVariable() variable {
	return labelValues("store", "Store", "leadfloor_response_target_seconds")
}

func sourceVariable() variable {
	return labelValues("source", "Source", "leadfloor_leads_received_total{"+ofStore+"}")
}

func personVariable() variable {
	return labelValues("person", "Person", "leadfloor_person_info{"+ofStore+"}")
}

// facts is what every panel says of itself.
type facts struct {
	title, about string
	unit         string
	none         string // shown where there is no value: what that means
}

// show makes a panel of a kind that has values.
func show(kind string, f facts, options map[string]any, targets ...target) panel {
	for i := range targets {
		targets[i].RefID = string(rune('A' + i))
	}
	p := panel{
		Type: kind, Title: f.title, Description: f.about, Datasource: &prometheusDS, MaxDataPoints: pointsAtMost, Options: options, Targets: targets,
		FieldConfig: &fieldConfig{
			Defaults: field{
				Unit: f.unit, NoValue: f.none, Color: fieldColor{"thresholds"}, Mappings: []mapping{},
				Thresholds: thresholds{Mode: "absolute", Steps: []step{{Color: calm}}},
			},
			Overrides: []override{},
		},
	}
	if f.unit == number {
		p.FieldConfig.Defaults.Decimals = new(int)
	}
	return p
}

// now asks for the value at the end of the time range.
func now(expr, legend string) target {
	return target{Datasource: prometheusDS, Expr: expr, Legend: legend, Format: "time_series", Instant: true, EditorMode: "code"}
}

// along asks for the values all along the time range.
func along(expr, legend string) target {
	return target{Datasource: prometheusDS, Expr: expr, Legend: legend, Format: "time_series", Range: true, EditorMode: "code"}
}

// every gives a target the least $__interval of its window.
func (t target) every(w window) target {
	t.Interval = w.interval
	return t
}

// reduced shows the last value of each series.
func reduced() map[string]any {
	return map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}
}

func stat(f facts, targets ...target) panel {
	return show("stat", f, map[string]any{
		"colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "reduceOptions": reduced(),
		"textMode": "auto", "wideLayout": true,
	}, targets...)
}

func barGauge(f facts, targets ...target) panel {
	p := show("bargauge", f, map[string]any{
		"displayMode": "basic", "orientation": "horizontal", "reduceOptions": reduced(), "showUnfilled": true, "valueMode": "color",
		"namePlacement": "left", "sizing": "auto",
	}, targets...)
	return p.from(0)
}

// graph draws lines.
func graph(f facts, targets ...target) panel {
	p := show("timeseries", f, map[string]any{
		"legend":  map[string]any{"calcs": []string{}, "displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}, targets...)
	d := &p.FieldConfig.Defaults
	d.Color.Mode = "palette-classic"
	d.Custom = map[string]any{"drawStyle": "line", "lineWidth": 2, "fillOpacity": 10, "showPoints": "auto", "spanNulls": false}
	return p.from(0)
}

// bars draws a stack of bars for each window, from its beginning to its end.
func bars(f facts, targets ...target) panel {
	p := graph(f, targets...)
	p.FieldConfig.Defaults.Custom = map[string]any{
		"drawStyle": "bars", "barAlignment": 1, "barWidthFactor": 0.9, "lineWidth": 0, "fillOpacity": 80, "showPoints": "never",
		"stacking": map[string]any{"mode": "normal", "group": "A"},
	}
	return p
}

// timeline draws the states of each series.
func timeline(f facts, targets ...target) panel {
	p := show("state-timeline", f, map[string]any{
		"alignValue": "left", "mergeValues": true, "rowHeight": 0.8, "showValue": "never",
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": map[string]any{"mode": "single", "sort": "none"},
	}, targets...)
	p.FieldConfig.Defaults.Custom = map[string]any{"fillOpacity": 80, "lineWidth": 0, "spanNulls": false}
	return p
}

// alerts lists what fires or is about to. Grafana has no way to choose the data source by a variable here; the label that our rules
// give every alert tells ours from those of others.
func alerts(title, about string) panel {
	return panel{Type: "alertlist", Title: title, Description: about, Options: map[string]any{
		"viewMode": "list", "groupMode": "default", "groupBy": []string{}, "maxItems": 20, "sortOrder": 3, "dashboardAlerts": false,
		"alertName": "", "alertInstanceLabelFilter": `{component=~"leads|daemon", severity!="none"}`, "showInstances": false,
		"stateFilter": map[string]any{"firing": true, "pending": true, "error": true, "noData": false, "normal": false, "recovering": true},
	}}
}

// A column of a table is a label of its rows or a value of its own query.
type column struct {
	name, unit  string
	label, expr string // one of the two
	limits      []step
	mappings    []mapping
	window      window
}

// table makes a row of each set of labels, which all queries must have in common.
func table(f facts, cols ...column) panel {
	var targets []target
	rename, index := map[string]any{}, map[string]any{}
	var overrides []override
	for i, c := range cols {
		key := c.label
		if c.expr != "" {
			t := now(c.expr, "").every(c.window)
			t.Format = "table"
			targets = append(targets, t)
			key = "Value #" + string(rune('A'+len(targets)-1))
		}
		rename[key], index[key] = c.name, i
		if c.expr == "" {
			continue
		}
		o := override{Matcher: option{ID: "byName", Options: c.name}, Properties: []option{{ID: "unit", Value: c.unit}}}
		if c.unit == ratio {
			o.Properties = append(o.Properties, option{ID: "decimals", Value: 0})
		}
		if c.limits != nil {
			o.Properties = append(o.Properties,
				option{ID: "thresholds", Value: thresholds{"absolute", c.limits}},
				option{ID: "custom.cellOptions", Value: map[string]any{"type": "color-background", "mode": "basic"}})
		}
		if c.mappings != nil {
			o.Properties = append(o.Properties, option{ID: "mappings", Value: c.mappings})
		}
		overrides = append(overrides, o)
	}
	if len(targets) == 1 { // Grafana's name for the value of a lone query
		rename["Value"], index["Value"] = rename["Value #A"], index["Value #A"]
		delete(rename, "Value #A")
		delete(index, "Value #A")
	}
	p := show("table", f, map[string]any{"cellHeight": "sm", "showHeader": true, "sortBy": []map[string]any{{"displayName": cols[0].name, "desc": false}}}, targets...)
	p.FieldConfig.Overrides = overrides
	p.Transformations = []transformation{
		{"merge", map[string]any{}},
		{"organize", map[string]any{"excludeByName": map[string]any{"Time": true}, "indexByName": index, "renameByName": rename}},
	}
	return p
}

func label(label, name string) column { return column{label: label, name: name} }

func value(name, unit, expr string) column { return column{name: name, unit: unit, expr: expr} }

// over is a column about a window.
func (c column) over(w window) column {
	c.window = w
	return c
}

func (c column) limit(first string, rest ...step) column {
	c.limits = steps(first, rest)
	return c
}

func (c column) say(texts ...text) column {
	c.mappings = mappings(texts)
	return c
}

// hide leaves labels out of a table.
func (p panel) hide(labels ...string) panel {
	exclude := p.Transformations[1].Options["excludeByName"].(map[string]any)
	for _, l := range labels {
		exclude[l] = true
	}
	return p
}

// at is a threshold: the colour from this value on.
func at(v float64, color string) step { return step{color, &v} }

func steps(first string, rest []step) []step {
	return append([]step{{Color: first}}, rest...)
}

// limit colours the values: the first colour below the first threshold.
func (p panel) limit(first string, rest ...step) panel {
	d := &p.FieldConfig.Defaults
	d.Thresholds.Steps = steps(first, rest)
	return p
}

// A text is shown in place of a value.
type text struct {
	value       int
	text, color string
}

func mappings(texts []text) []mapping {
	m := mapping{Type: "value", Options: map[string]valueText{}}
	for i, t := range texts {
		m.Options[fmt.Sprint(t.value)] = valueText{t.text, t.color, i}
	}
	return []mapping{m}
}

// say shows texts in place of values.
func (p panel) say(texts ...text) panel {
	p.FieldConfig.Defaults.Mappings = mappings(texts)
	return p
}

// from begins the scale at a value.
func (p panel) from(low float64) panel {
	p.FieldConfig.Defaults.Min = &low
	return p
}

// to ends the scale at a value.
func (p panel) to(high float64) panel {
	p.FieldConfig.Defaults.Max = &high
	return p
}

// judged draws the thresholds into a graph and gives each value the colour of its own.
func (p panel) judged() panel {
	d := &p.FieldConfig.Defaults
	d.Color.Mode = "thresholds"
	d.Custom["gradientMode"] = "scheme"
	d.Custom["thresholdsStyle"] = map[string]any{"mode": "dashed"}
	return p
}

// apart lets bars stand side by side.
func (p panel) apart() panel {
	delete(p.FieldConfig.Defaults.Custom, "stacking")
	return p
}

// paint fixes the colours of series by their legend.
func (p panel) paint(pairs ...[2]string) panel {
	for _, pair := range pairs {
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{
			Matcher:    option{ID: "byName", Options: pair[0]},
			Properties: []option{{ID: "color", Value: map[string]any{"mode": "fixed", "fixedColor": pair[1]}}},
		})
	}
	return p
}

// boards are all dashboards there are.
func boards() []board {
	return []board{floorBoard(), managerBoard(), operationsBoard()}
}

// dashboards are all of them, laid out.
func dashboards() []dashboard {
	var all []dashboard
	for _, b := range boards() {
		all = append(all, b.build())
	}
	return slices.Clip(all)
}

// fractions shows parts of a whole number.
func (p panel) fractions() panel {
	p.FieldConfig.Defaults.Decimals = nil
	return p
}
