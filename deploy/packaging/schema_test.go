package packaging_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// What Kubernetes and the Prometheus operator publish about what they take, as data in modules that are downloaded and never built.
const (
	kubernetesSchemas = "sigs.k8s.io/kubectl-validate@v0.0.4"
	operatorSchemas   = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
	kubernetesVersion = "1.30"
)

// module is the folder of a module, which it downloads, checked against the sums of the checksum database.
func module(t testing.TB, at string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", at)
	cmd.Dir = os.TempDir() // away from this module, which does not require it
	out, err := cmd.Output()
	var m struct{ Dir, Error string }
	if err == nil {
		err = json.Unmarshal(out, &m)
	}
	if err != nil || m.Dir == "" {
		t.Fatalf("download %s: %v %s", at, err, m.Error)
	}
	return m.Dir
}

// schemas are the compiled schemas, by apiVersion and kind.
var schemas sync.Map

// judge says what is wrong with an object, by the schema of its kind. Fields that the schema does not name are faults.
func judge(t testing.TB, o object) error {
	t.Helper()
	version, kind := o["apiVersion"].(string), o["kind"].(string)
	name, _ := o.at("metadata", "name").(string)
	if !dnsName.MatchString(name) {
		return fmt.Errorf("%s: not a name: %q", kind, name)
	}
	s, ok := schemas.Load(version + " " + kind)
	if !ok {
		s = compile(t, version, kind)
		schemas.Store(version+" "+kind, s)
	}
	if err := s.(*jsonschema.Schema).Validate(map[string]any(o)); err != nil {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	return nil
}

func compile(t testing.TB, version, kind string) *jsonschema.Schema {
	t.Helper()
	group, v, grouped := strings.Cut(version, "/")
	var doc map[string]any
	at := "#"
	if group == "monitoring.coreos.com" {
		b, err := os.ReadFile(filepath.Join(module(t, operatorSchemas), "example/prometheus-operator-crd", group+"_"+strings.ToLower(kind)+"s.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Versions []struct {
					Name   string
					Schema struct {
						Open map[string]any `yaml:"openAPIV3Schema"`
					}
				}
			}
		}
		if err := yaml.Unmarshal(b, &crd); err != nil {
			t.Fatal(err)
		}
		for _, of := range crd.Spec.Versions {
			if of.Name == v {
				doc = of.Schema.Open
			}
		}
		closed(doc)
	} else {
		path := "apis/" + version
		if !grouped {
			path = "api/" + version
		}
		b, err := os.ReadFile(filepath.Join(module(t, kubernetesSchemas), "pkg/openapiclient/builtins", kubernetesVersion, path+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		for name, s := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
			closed(s.(map[string]any))
			if strings.HasPrefix(name, "io.k8s.api.") && strings.HasSuffix(name, "."+kind) {
				at = "#/components/schemas/" + name
			}
		}
		if at == "#" {
			t.Fatalf("Kubernetes %s has no %s in %s", kubernetesVersion, kind, version)
		}
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json" + at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closed makes a schema that names fields, and every schema within it, refuse others.
func closed(s map[string]any) {
	fields, _ := s["properties"].(map[string]any)
	if _, more := s["additionalProperties"]; fields != nil && !more && s["x-kubernetes-preserve-unknown-fields"] != true {
		s["additionalProperties"] = false
	}
	for _, f := range fields {
		closed(f.(map[string]any))
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if of, ok := s[key].(map[string]any); ok {
			closed(of)
		}
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		all, _ := s[key].([]any)
		for _, of := range all {
			closed(of.(map[string]any))
		}
	}
}

// TestJudge proves that the schemas hold.
func TestJudge(t *testing.T) {
	for name, c := range map[string]struct{ object, says string }{
		"well": {`{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80, targetPort: http}]}}`, ""},
		"a field that nobody knows": {
			`{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {selector: {}, template: {spec: {containers: [{name: a, imagee: x}]}}}}`, "'imagee' not allowed"},
		"a text for a number":           {`{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: http}]}}`, "want integer"},
		"a field that is missing":       {`{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: {}}}`, "missing property 'selector'"},
		"a name that is none":           {`{apiVersion: v1, kind: Service, metadata: {name: A_b}}`, "not a name"},
		"a monitor's misspelt field":    {`{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {selector: {}, endpoints: [{prot: http}]}}`, "'prot' not allowed"},
		"a rule without its expression": {`{apiVersion: monitoring.coreos.com/v1, kind: PrometheusRule, metadata: {name: a}, spec: {groups: [{name: g, rules: [{alert: A}]}]}}`, "missing property 'expr'"},
	} {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(c.object), &o); err != nil {
			t.Fatal(err)
		}
		err := judge(t, o)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
