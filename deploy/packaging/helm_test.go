package packaging_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

const chart = top + "deploy/helm/leadfloor"

// dnsName is what Kubernetes calls an object.
var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

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

// render is what helm template does: the chart's own defaults, the values, the schema of the values, the templates. The names are those of
// the templates.
func render(values string) (map[string]string, error) {
	c, err := loader.Load(chart)
	if err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	kube, err := chartutil.ParseKubeVersion(kubernetesVersion)
	if err != nil {
		return nil, err
	}
	if !chartutil.IsCompatibleRange(c.Metadata.KubeVersion, kube.Version) {
		return nil, fmt.Errorf("the chart is not for Kubernetes %s", kube.Version)
	}
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		return nil, err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *kube
	all, err := chartutil.ToRenderValues(c, given, chartutil.ReleaseOptions{Name: "lf", Namespace: "sales", Revision: 1, IsInstall: true}, capabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(c, all)
}

// rendered are the objects of the chart with the values in a file of ci/, by kind and name.
func rendered(t testing.TB, values string) map[string]object {
	t.Helper()
	files, err := render(read(t, "deploy/helm/leadfloor/ci/"+values))
	if err != nil {
		t.Fatal(err)
	}
	return objectsOf(t, files)
}

func objectsOf(t testing.TB, files map[string]string) map[string]object {
	t.Helper()
	objects := map[string]object{}
	for name, text := range files {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		for d := yaml.NewDecoder(strings.NewReader(text)); ; {
			var doc map[string]any
			if err := d.Decode(&doc); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, text)
			}
			if o := object(doc); len(o) > 0 {
				objects[fmt.Sprintf("%v/%v", o["kind"], o.at("metadata", "name"))] = o
			}
		}
	}
	return objects
}

// TestChart renders the chart with the least and with all values, has Kubernetes' own schemas judge it, and leadfloor the configuration.
func TestChart(t *testing.T) {
	for values, want := range map[string][]string{
		"least-values.yaml": {"ConfigMap/lf-leadfloor", "Deployment/lf-leadfloor", "NetworkPolicy/lf-leadfloor", "PodDisruptionBudget/lf-leadfloor", "Service/lf-leadfloor", "ServiceAccount/lf-leadfloor",
			"ConfigMap/lf-leadfloor-redis", "Service/lf-leadfloor-redis", "StatefulSet/lf-leadfloor-redis", "PodDisruptionBudget/lf-leadfloor-redis", "NetworkPolicy/lf-leadfloor-redis"},
		"all-values.yaml": {"ConfigMap/lf-leadfloor", "Deployment/lf-leadfloor", "NetworkPolicy/lf-leadfloor", "PodDisruptionBudget/lf-leadfloor", "Service/lf-leadfloor", "ServiceAccount/lf-leadfloor",
			"ServiceMonitor/lf-leadfloor", "PrometheusRule/lf-leadfloor", "ConfigMap/lf-leadfloor-floor", "ConfigMap/lf-leadfloor-manager", "ConfigMap/lf-leadfloor-operations"},
	} {
		t.Run(values, func(t *testing.T) {
			objects := rendered(t, values)
			for _, name := range want {
				if objects[name] == nil {
					t.Errorf("there is no %s", name)
				}
			}
			if len(objects) != len(want) {
				t.Errorf("%d objects, want %d", len(objects), len(want))
			}
			for _, o := range objects {
				if err := judge(t, o); err != nil {
					t.Error(err)
				}
			}

			dir := t.TempDir()
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
	objects := rendered(t, "all-values.yaml")
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

// TestChartRedis runs the script of both pods of the chart's own Redis, with this machine's server, and leadfloor's check on them with the
// chart's configuration.
func TestChartRedis(t *testing.T) {
	objects := rendered(t, "least-values.yaml")
	set := objects["StatefulSet/lf-leadfloor-redis"]
	if got := object(set.at("spec", "template", "spec").(map[string]any)["containers"].([]any)[0].(map[string]any))["env"]; !reflect.DeepEqual(got, []any{map[string]any{"name": "MASTER", "value": "lf-leadfloor-redis-0.lf-leadfloor-redis"}}) {
		t.Errorf("the replica follows %v", got)
	}
	files := objects["ConfigMap/lf-leadfloor-redis"]
	pair := newPair(t, files.at("data", "redis-leadfloor.conf").(string))
	for n, port := range []string{pair.master, freePort(t)} {
		data := filepath.Join(pair.dir, fmt.Sprint("data-", n))
		if err := os.Mkdir(data, 0o755); err != nil {
			t.Fatal(err)
		}
		script := strings.NewReplacer("$(hostname)", fmt.Sprint("lf-leadfloor-redis-", n), "$MASTER 6379", "127.0.0.1 "+pair.master, "/etc/redis/redis-leadfloor.conf", pair.conf,
			"--port 6379", "--bind 127.0.0.1 --port "+port, "--dir /data", "--dir "+data, "/run/secrets/redis.password", pair.secret).Replace(files.at("data", "start-redis.sh").(string))
		start(t, "sh", write(t, filepath.Join(pair.dir, fmt.Sprint("start-", n, ".sh")), script))
	}
	pair.check(t, objects["ConfigMap/lf-leadfloor"].at("data", "leadfloor.yaml").(string), "redis://lf-leadfloor-redis-0.lf-leadfloor-redis:6379/0", "password_file: redis.password")
}

// TestChartRefuses proves that the schema of the values holds.
func TestChartRefuses(t *testing.T) {
	least := read(t, "deploy/helm/leadfloor/ci/least-values.yaml")
	for name, c := range map[string]struct{ values, says string }{
		"no configuration":      {"{}", "config"},
		"a Redis of none":       {strings.Replace(least, "config:\n", "config:\n  redis: {}\n", 1), "redis"},
		"no secret":             {strings.Replace(least, "existingSecret: leadfloor\n", "", 1), "existingSecret must hold"},
		"no tokens":             {strings.Replace(least, "tokens: [{name: ops, role: admin, token_file: admin.token}]", "tokens: []", 1), "tokens"},
		"a misspelt value":      {least + "\nreplicaCuont: 2\n", "replicaCuont"},
		"an address of its own": {strings.Replace(least, "config:\n", "config:\n  listen: 127.0.0.1:1\n", 1), "config"},
	} {
		if _, err := render(c.values); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
