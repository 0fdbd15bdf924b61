package spelling

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"location", "runas", "sudo", "timeout", "source", "destination"}
	for word, want := range map[string]string{
		"locaton": "location", "localtion": "location", "timout": "timeout", "timemout": "timeout", "runass": "runas", "sources": "source",
		"destionation": "destination", "RunAs": "runas", "run-as": "runas", "tiemout": "timeout",
		"interpreter": "", "commands": "", "x": "", "": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
