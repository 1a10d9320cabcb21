package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func serve(t *testing.T, status *int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(*status) }))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAProbeFollowsTheStatus(t *testing.T) {
	status := 200
	address := serve(t, &status)
	if err := probe([]string{address}); err != nil {
		t.Fatal(err)
	}
	status = 503
	if probe([]string{address}) == nil {
		t.Fatal("503 counts as healthy")
	}
	if probe([]string{"tcp://127.0.0.1:1"}) == nil {
		t.Fatal("a closed port counts as healthy")
	}
}

func TestAProgramThatWasReadyOnceIsNotKilledForItsDatabase(t *testing.T) {
	readyMark = filepath.Join(t.TempDir(), "mark")
	ready, alive := 503, 200
	readyAt, aliveAt := serve(t, &ready), serve(t, &alive)
	check := func() error { return probe([]string{"--first", readyAt, aliveAt}) }
	if check() == nil {
		t.Fatal("healthy before it was ready")
	}
	ready = 200
	if err := check(); err != nil {
		t.Fatal(err)
	}
	ready = 503
	if err := check(); err != nil {
		t.Fatal("killed although it is alive:", err)
	}
	alive = 500
	if check() == nil {
		t.Fatal("a dead program counts as healthy")
	}
}

func TestSecretsBecomeTheEnvironmentOfTheProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("word with = and space\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environment, program, err := prepare([]string{"WORD=" + file, "--", "/program", "serve"}, []string{"A=1"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(environment, []string{"A=1", "WORD=word with = and space"}) || program[1] != "serve" {
		t.Fatal(environment, program)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][]string{
		{"WORD=/does/not/exist", "--", "/program"},
		{"WORD=" + empty, "--", "/program"},
		{"WORD", "--", "/program"},
		{"WORD=" + empty},
		{"--"},
	} {
		if _, _, err := prepare(wrong, nil); err == nil {
			t.Errorf("%s is taken", strings.Join(wrong, " "))
		}
	}
}

func TestThePageForWhatIsAwayIsNeverKept(t *testing.T) {
	answer := httptest.NewRecorder()
	away(answer, httptest.NewRequest(http.MethodGet, "/errors/503", nil))
	if answer.Header().Get("Cache-Control") != "no-store" || !strings.Contains(answer.Body.String(), "<title>") {
		t.Fatal(answer.Header(), answer.Body.String())
	}
}

func TestPasswordsInUrlsAreNotWritten(t *testing.T) {
	var written strings.Builder
	long := strings.Repeat("x", 3*lineBytesMax)
	said := "Connecting to NATS at nats://gate:secret@nats-1:4222,nats://gate:secret@nats-2:4222\nplain://host/a@b\n" + long + "\nno end"
	withoutCredentials(&written, strings.NewReader(said))
	want := "Connecting to NATS at nats://nats-1:4222,nats://nats-2:4222\nplain://host/a@b\n" + long + "\nno end"
	if written.String() != want {
		t.Fatalf("it wrote %.200q", written.String())
	}
}
