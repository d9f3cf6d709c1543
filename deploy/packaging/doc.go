// Package packaging tries what leadfloor is shipped in: the unit, the packages, the image, the composition, the chart and the pages beside
// them. It is a module of its own and holds tests alone; `make packaging` runs them.
package packaging
