package packaging_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const chart = top + "deploy/helm/leadfloor"

// tool is a program that make has built, at its pinned version, and names in the environment.
func tool(t testing.TB, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: run make packaging", variable)
	}
	return path
}

// An object is what Kubernetes is given, by kind and name.
type object map[string]any

// at follows keys.
func (o object) at(keys ...string) any {
	var v any = map[string]any(o)
	for _, key := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// rendered is the chart with the values in a file of ci/.
func rendered(t testing.TB, values string) (text string, objects map[string]object) {
	t.Helper()
	file := filepath.Join(chart, "ci", values)
	output(t, tool(t, "HELM"), "lint", "--strict", chart, "--values", file)
	cmd := exec.Command(tool(t, "HELM"), "template", "lf", chart, "--namespace", "sales", "--kube-version", "1.30.0", "--values", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, stderr.String())
	}
	objects = map[string]object{}
	for d := yaml.NewDecoder(bytes.NewReader(out)); ; {
		var doc map[string]any
		if err := d.Decode(&doc); errors.Is(err, io.EOF) {
			return string(out), objects
		} else if err != nil {
			t.Fatal(err)
		}
		o := object(doc)
		objects[fmt.Sprintf("%v/%v", o["kind"], o.at("metadata", "name"))] = o
	}
}

// TestChart renders the chart with the least and with all values, has Kubernetes' own schemas judge it, and leadfloor the configuration.
func TestChart(t *testing.T) {
	for values, want := range map[string][]string{
		"least-values.yaml": {"ConfigMap/lf-leadfloor", "Deployment/lf-leadfloor", "NetworkPolicy/lf-leadfloor", "PodDisruptionBudget/lf-leadfloor", "Service/lf-leadfloor", "ServiceAccount/lf-leadfloor"},
		"all-values.yaml": {"ConfigMap/lf-leadfloor", "Deployment/lf-leadfloor", "NetworkPolicy/lf-leadfloor", "PodDisruptionBudget/lf-leadfloor", "Service/lf-leadfloor", "ServiceAccount/lf-leadfloor",
			"ServiceMonitor/lf-leadfloor", "PrometheusRule/lf-leadfloor", "ConfigMap/lf-leadfloor-floor", "ConfigMap/lf-leadfloor-manager", "ConfigMap/lf-leadfloor-operations"},
	} {
		t.Run(values, func(t *testing.T) {
			text, objects := rendered(t, values)
			for _, name := range want {
				if objects[name] == nil {
					t.Errorf("there is no %s", name)
				}
			}
			if len(objects) != len(want) {
				t.Errorf("%d objects, want %d", len(objects), len(want))
			}
			var ours []string // whose schemas the tool holds; it knows nothing of the Prometheus operator's
			for _, doc := range strings.Split(text, "\n---\n") {
				if !strings.Contains(doc, "apiVersion: monitoring.coreos.com/v1") {
					ours = append(ours, doc)
				}
			}
			dir := t.TempDir()
			output(t, tool(t, "KUBECTL_VALIDATE"), "--version", "1.30", write(t, filepath.Join(dir, "all.yaml"), strings.Join(ours, "\n---\n")))

			for _, secret := range []string{"redis.password", "admin.token", "imap.password"} {
				write(t, filepath.Join(dir, secret), "a-secret-of-some-length\n")
			}
			config := objects["ConfigMap/lf-leadfloor"].at("data", "leadfloor.yaml").(string)
			output(t, binary(t), "check", "--offline", "--config", write(t, filepath.Join(dir, "leadfloor.yaml"), config))

			pod := object(objects["Deployment/lf-leadfloor"].at("spec", "template", "spec").(map[string]any))
			container := object(pod["containers"].([]any)[0].(map[string]any))
			for _, c := range []struct{ got, want any }{
				{pod.at("securityContext", "runAsNonRoot"), true},
				{pod.at("securityContext", "seccompProfile", "type"), "RuntimeDefault"},
				{pod["automountServiceAccountToken"], false},
				{container.at("securityContext", "readOnlyRootFilesystem"), true},
				{container.at("securityContext", "allowPrivilegeEscalation"), false},
				{container.at("securityContext", "capabilities", "drop"), []any{"ALL"}},
				{container.at("livenessProbe", "httpGet", "port"), "health"},
				{container.at("readinessProbe", "httpGet", "path"), "/-/ready"},
			} {
				if !reflect.DeepEqual(c.got, c.want) {
					t.Errorf("got %v, want %v", c.got, c.want)
				}
			}
			if !strings.Contains(config, "health_listen: 0.0.0.0:8081\n") || !strings.Contains(config, "\nlisten: 0.0.0.0:8080\n") {
				t.Error("the configuration listens somewhere else than the container's ports")
			}
		})
	}
}

// TestChartFiles holds what the chart shows to Prometheus and Grafana to what the repository does.
func TestChartFiles(t *testing.T) {
	_, objects := rendered(t, "all-values.yaml")
	var want map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/rules.yml")), &want); err != nil {
		t.Fatal(err)
	}
	if got := objects["PrometheusRule/lf-leadfloor"]["spec"]; !reflect.DeepEqual(got, any(want)) {
		t.Error("the PrometheusRule is not deploy/prometheus/rules.yml")
	}
	for _, name := range []string{"floor", "manager", "operations"} {
		if got, want := objects["ConfigMap/lf-leadfloor-"+name].at("data", name+".json"), read(t, "deploy/grafana/dashboards/"+name+".json"); strings.TrimSpace(got.(string)) != strings.TrimSpace(want) {
			t.Errorf("the ConfigMap of %s is not the dashboard", name)
		}
	}
	if got := objects["ServiceMonitor/lf-leadfloor"].at("spec", "jobLabel"); got != "app.kubernetes.io/name" {
		t.Errorf("jobLabel = %v; the rules ask for the job leadfloor", got)
	}
	if got := objects["Service/lf-leadfloor"].at("metadata", "labels", "app.kubernetes.io/name"); got != "leadfloor" {
		t.Errorf("the job would be called %v", got)
	}
}

// TestChartRefuses proves that the schema of the values holds.
func TestChartRefuses(t *testing.T) {
	least := read(t, "deploy/helm/leadfloor/ci/least-values.yaml")
	for name, c := range map[string]struct{ values, says string }{
		"no configuration":      {"{}", "config"},
		"no tokens":             {strings.Replace(least, "tokens: [{name: ops, role: admin, token_file: admin.token}]", "tokens: []", 1), "tokens"},
		"a misspelt value":      {least + "\nreplicaCuont: 2\n", "replicaCuont"},
		"an address of its own": {strings.Replace(least, "config:\n", "config:\n  listen: 127.0.0.1:1\n", 1), "config"},
	} {
		out, err := exec.Command(tool(t, "HELM"), "template", "lf", chart, "--kube-version", "1.30.0", "--values", write(t, filepath.Join(t.TempDir(), "values.yaml"), c.values)).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}
