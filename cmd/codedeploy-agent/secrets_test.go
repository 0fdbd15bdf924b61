//go:build unix

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// planted are secrets that cannot be mistaken for anything else, by where the agent gets them.
var planted = map[string]string{
	"the proxy's password":              "planted:proxy/password@1",
	"a proxy's wrong password":          "planted-wrong-password-2",
	"the session's access key":          "ASIAPLANTEDSESSION03",
	"the session's secret":              "planted/session+secret/key+04",
	"the session's token":               "plantedSessionToken//05+==",
	"the deployment's GitHub token":     "ghs_plantedDeployment06",
	"a refused GitHub token":            "an-odd-planted-token-07",
	"GitHub's token for the download":   "PLANTEDDOWNLOAD08",
	"deploy-local's GitHub token":       "ghp_plantedLocal09",
	"a token in an address":             "planted-in-address-10",
	"the environment's access key":      "AKIAPLANTEDENVIRON11",
	"the environment's secret":          "planted/environment+secret+12",
	"the environment's token":           "plantedEnvironmentToken13==",
	"the environment's container token": "planted-container-token-14",
	"a presigned signature":             "15151515a1a1a1a1deadbeef",
	"the user's access key":             "AKIAPLANTEDONPREM016",
	"the user's secret":                 "planted+on/premises+17",
}

// forms are the ways in which a secret can stand in a text.
func forms(secret string) []string {
	quoted, _ := json.Marshal(secret)
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(quoted), `"`), base64.StdEncoding.EncodeToString([]byte("agent:" + secret))}
}

// wantNoSecret checks that a text has none of the planted secrets.
func wantNoSecret(t testing.TB, where, text string) {
	t.Helper()
	for name, secret := range planted {
		for _, form := range forms(secret) {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s has %s: …%q…", where, name, text[max(0, i-150):min(len(text), i+len(form)+30)])
				break
			}
		}
	}
}

// leaking answers for AWS as AWS does, or worse: it tells the caller what the caller sent.
func leaking(t testing.TB, h *host) http.Handler {
	service := forward(t, h.service.URL())
	var completed, polled atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		echo := fmt.Sprintf("The request signature we calculated does not match the signature you provided. The Canonical String for this request should have been "+
			"'POST\n/\n\nhost:%s\nx-amz-security-token:%s\n' Authorization: %s see https://signed.test/x?X-Amz-Credential=%s&X-Amz-Signature=%s and %s",
			r.Host, r.Header.Get("X-Amz-Security-Token"), r.Header.Get("Authorization"), planted["the session's access key"], planted["a presigned signature"],
			planted["the session's secret"])
		refuse := func(n *atomic.Int32) bool {
			if n.Add(1) != 2 { // once, and not the first
				return false
			}
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": "InvalidSignatureException", "message": echo})
			return true
		}
		switch target := r.Header.Get("X-Amz-Target"); {
		case strings.HasSuffix(target, ".PutHostCommandComplete") && refuse(&completed):
		case strings.HasSuffix(target, ".PollHostCommand") && refuse(&polled):
		case strings.HasSuffix(r.URL.Path, "/leaky.tgz"):
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>%s</Message><StringToSign>%s</StringToSign></Error>", strings.ReplaceAll(echo, "&", "&amp;"), planted["the session's token"])
		case strings.HasSuffix(r.URL.Path, "/moved.tgz"):
			w.Header().Set("Location", "https://elsewhere.test/moved.tgz?X-Amz-Signature="+planted["a presigned signature"])
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			service.ServeHTTP(w, r)
		}
	})
}

// gitHub answers for GitHub's two hosts: it knows the deployment's and deploy-local's token and hands out one for the download.
func gitHub(archive []byte) (api, downloads http.Handler) {
	api = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "token ")
		if token != planted["the deployment's GitHub token"] && token != planted["deploy-local's GitHub token"] {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, "bad credentials: %s", token)
			return
		}
		http.Redirect(w, r, "https://codeload.github.com/legacy.tar.gz?token="+planted["GitHub's token for the download"], http.StatusFound)
	})
	downloads = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.URL.Query().Get("token") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write(archive)
	})
	return api, downloads
}

// Nothing that the agent writes, prints, sends or hands down holds a secret, whatever goes wrong.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"console", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			// A hook that looks for what it should not find, and fails.
			look := "env > " + h.path("hook-$LIFECYCLE_EVENT.env") + "; cat /proc/self/environ /proc/$PPID/environ /proc/$PPID/cmdline > " + h.path("hook-$LIFECYCLE_EVENT.parent") +
				"; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' > " + h.path("hook-$LIFECYCLE_EVENT.commands") + " || :"
			api, downloads := gitHub(pack(t, h.revision("github", nil)))
			world := leaking(t, h)
			p := newProxy(t, planted["the proxy's password"], map[string]http.Handler{
				"commands.test": world, "s3.test": world, "api.github.com": api, "codeload.github.com": downloads,
			})
			h.write("proxy-ca.pem", string(p.authority))
			h.write("on-premises.yml", "region: us-east-1\niam_session_arn: "+h.metadata.HostIdentifier()+"\naws_credentials_file: "+h.path("credentials")+"\n")
			h.write("credentials", fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n",
				planted["the session's access key"], planted["the session's secret"], planted["the session's token"]))
			settings := fmt.Sprintf("root_dir: %s\nlog_dir: %s\npid_dir: %s\non_premises_config_file: %s\ndeploy_control_endpoint: http://commands.test\n"+
				"s3_endpoint_override: http://s3.test\ndeployment_signer_ca_file: %s\nca_bundle_file: %s\nverbose: true\nlog_aws_wire: true\nlog_format: %s\n",
				h.path("root"), h.path("log"), h.path("pid"), h.path("on-premises.yml"), h.path("signers.pem"), h.path("proxy-ca.pem"), format)
			h.write("agent.yml", settings+"proxy_uri: "+p.url+"\n")
			for name, key := range map[string]string{"AWS_ACCESS_KEY_ID": "the environment's access key", "AWS_SECRET_ACCESS_KEY": "the environment's secret",
				"AWS_SESSION_TOKEN": "the environment's token", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the environment's container token",
				"CODEDEPLOY_GITHUB_TOKEN": "deploy-local's GitHub token"} {
				h.env = append(h.env, name+"="+planted[key])
			}
			secretFiles := []string{"agent.yml", "bad.yml", "wrong.yml", "broken.yml", "credentials", "on-premises.yml", "user.yml", "user-on-premises.yml"}

			h.start()
			h.deploy(h.revision("one", map[string]string{"AfterInstall": look}), rehearsal.Succeeded)
			h.deploy(h.revision("two", map[string]string{"ValidateService": look + "; echo not healthy; exit 3"}), rehearsal.Failed)
			h.deploy(h.revision("three", nil), rehearsal.Succeeded)
			results := ""
			fail := func(what, want string, spec rehearsal.SpecOptions, how rehearsal.Envelope) {
				t.Helper()
				content, err := spec.JSON()
				if err != nil {
					t.Fatal(err)
				}
				execution := h.service.ExecutionID(spec.DeploymentID)
				if err := h.service.Publish(execution, content, how); err != nil {
					t.Fatal(err)
				}
				r, err := h.queue("DownloadBundle", execution).Wait(h.context())
				if err != nil {
					t.Fatal(err)
				}
				if want == "" && !r.Succeeded() || want != "" && (r.Succeeded() || !strings.Contains(r.Message, want)) {
					t.Errorf("%s: %+v, want %q", what, r, want)
				}
				results += r.Message + r.Log
			}
			inHub := func(token string) rehearsal.SpecOptions {
				s := h.spec(h.revision("unused", nil))
				s.Revision = rehearsal.Revision{GitHub: &rehearsal.GitHubLocation{Account: "acme", Repository: "shop", CommitID: "0123abcd", Token: token}}
				return s
			}
			keyed := func(key string) rehearsal.SpecOptions {
				s := h.spec(h.revision("unused", nil))
				s.Revision.S3.Key = key
				return s
			}
			fail("GitHub with a token", "", inHub(planted["the deployment's GitHub token"]), rehearsal.Signed)
			fail("GitHub with a wrong token", "GitHub refuses the token", inHub(planted["a refused GitHub token"]), rehearsal.Signed)
			fail("a bad signature", "changed after it was signed", inHub(planted["the deployment's GitHub token"]), rehearsal.Tampered)
			fail("a token that is none", "characters that no token has", inHub(planted["a refused GitHub token"]+"\n"), rehearsal.Signed)
			fail("S3 that tells what it was sent", "status 403", keyed("leaky.tgz"), rehearsal.Signed)
			fail("S3 that redirects", "status 307", keyed("moved.tgz"), rehearsal.Signed)
			fail("S3 that has no such object", "status 404", keyed("gone.tgz"), rehearsal.Signed)
			if code := h.stop(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			said := h.output.String()

			// Agents that cannot do anything.
			user, bad := planted["the user's access key"], planted["a proxy's wrong password"]
			h.write("wrong.yml", settings+"proxy_uri: http://agent:"+bad+"@"+strings.SplitN(p.url, "@", 2)[1]+"\n")
			h.write("user-on-premises.yml", fmt.Sprintf("region: us-east-1\niam_user_arn: arn:aws:iam::123456789012:user/x\naws_access_key_id: %s\naws_secret_access_key: %s\n", user, planted["the user's secret"]))
			h.write("user.yml", strings.Replace(settings, h.path("on-premises.yml"), h.path("user-on-premises.yml"), 1)+"proxy_uri: http://agent:"+bad+"@127.0.0.1:1\n")
			for _, config := range []string{"wrong.yml", "user.yml"} {
				before := strings.Count(h.log(), "cannot poll")
				h.config = h.path(config)
				h.start()
				for end := time.Now().Add(time.Minute); strings.Count(h.log(), "cannot poll") == before; time.Sleep(20 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%s: the agent does not say that it cannot poll:\n%s", config, h.log())
					}
				}
				h.stop()
				said += h.output.String()
			}
			h.config = h.path("agent.yml")
			h.write("bad.yml", settings+"proxy_uri: http://agent:"+bad+"/x@proxy.test:3128\n")
			h.write("broken.yml", settings+"proxy_uri: [http://agent:"+bad+"@proxy.test\n")
			for _, args := range [][]string{
				{"run", "--config-file", h.path("bad.yml")}, {"run", "--config-file", h.path("broken.yml")}, {"config"}, {"deploy-local", "--help"},
				{"deploy-local", "-c", h.config, "-t", "tar", "-l", "https://github.com/acme/shop", "-g", "local", "-b", "OVERWRITE"},
				{"deploy-local", "-c", h.config, "-t", "tar", "-l", "https://" + planted["a token in an address"] + "@github.com/acme/shop", "-g", "local"},
				{"deploy-local", "-c", h.config, "-t", "zip", "-l", "https://x.s3.amazonaws.com/k?X-Amz-Signature=" + planted["a presigned signature"], "-g", "local"},
				{"deploy-local", "-c", h.config, "-t", "zip", "-l", "s3://bundles/leaky.tgz", "-g", "local"},
			} {
				r := newCommand(h, args...)
				said += r.stdout + r.stderr
				if works := slices.Contains(args, "https://github.com/acme/shop") || len(args) < 3; works != (r.code == 0) {
					t.Errorf("%v: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
				}
			}
			h.env = append(h.env, "CODEDEPLOY_GITHUB_TOKEN="+planted["a refused GitHub token"])
			if r := newCommand(h, "deploy-local", "-c", h.config, "-t", "tar", "-l", "https://github.com/acme/shop", "-g", "local"); r.code != 1 {
				t.Errorf("a refused token: %+v", r)
			} else {
				said += r.stdout + r.stderr
			}

			// All of that has really happened.
			for _, want := range []string{"cannot poll for commands", "InvalidSignatureException", "HTTP 407", "[redacted]", "GitHub refuses the token"} {
				if !strings.Contains(said, want) {
					t.Errorf("nothing was said of %q", want)
				}
			}
			for _, name := range []string{"log/codedeploy-agent.log", "log/codedeploy-agent.aws_wire.log", "log/codedeploy-local.log", "hook-AfterInstall.env", "hook-ValidateService.commands"} {
				if h.read(h.path(name)) == "" {
					t.Errorf("there is no %s to look at", name)
				}
			}
			if commands := h.read(h.path("hook-ValidateService.commands")); !strings.Contains(commands, "hook-runner") || !strings.Contains(commands, h.config) {
				t.Errorf("the hook has not seen the agent's and the runner's command lines:\n%s", commands)
			}

			wantNoSecret(t, "what the agent prints", said)
			wantNoSecret(t, "a result", results)
			sent := 0
			for _, r := range h.service.Requests() {
				wantNoSecret(t, "the body of "+r.Operation, string(r.Body)+r.UserAgent+r.Key)
				sent++
			}
			for _, r := range p.requests() {
				if r.URL.Hostname() == "codeload.github.com" && r.Header.Get("Authorization") != "" {
					t.Error("the token for GitHub's API is sent to its download host")
				}
				if r.URL.Scheme == "https" && r.Header.Get("Proxy-Authorization") != "" {
					t.Errorf("%s gets the proxy's password", r.URL.Host)
				}
			}
			looked := 0
			err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || slices.Contains(secretFiles, filepath.Base(path)) {
					return err
				}
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				looked++
				wantNoSecret(t, path, string(data))
				return nil
			})
			if err != nil || looked < 20 || sent < 20 {
				t.Errorf("%v; looked at %d files and %d requests", err, looked, sent)
			}
			if left, err := filepath.Glob(h.path("root.state/journal/*")); err != nil || len(left) > 0 {
				t.Errorf("the journal still holds %v (%v)", left, err)
			}
		})
	}
}

// A command line is public. A token given there is taken, as the official tool takes it, and the log says where to put it instead.
func TestTokenOnTheCommandLine(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	cmd := exec.Command(binary, "deploy-local", "-c", h.config, "-l", h.layOut("bundle", h.revision("one", nil)), "--github-token", planted["deploy-local's GitHub token"])
	cmd.Env, cmd.Dir = h.env, h.dir
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errOut.String())
	}
	if !strings.Contains(errOut.String(), "CODEDEPLOY_GITHUB_TOKEN") {
		t.Errorf("no warning: %s", errOut.String())
	}
	wantNoSecret(t, "what deploy-local prints", errOut.String()+h.read(h.path("log/codedeploy-local.log")))
}
