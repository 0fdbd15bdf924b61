//go:build unix

package main

// localRules are about what deploy-local makes of the events that it is asked for.
func localRules() []rule {
	appspec, bundle := everyHook()
	asked := func(asked, events string) []deploy {
		return []deploy{{appspec: appspec, bundle: bundle, asked: asked, events: events}}
	}
	refused := func(what string, says ...string) []deploy {
		return []deploy{{appspec: appspec, bundle: bundle, asked: what, events: "DownloadBundle=5", says: says, invalid: true}}
	}
	all := deploy{appspec: appspec, bundle: bundle, asked: "all",
		events: "BeforeBlockTraffic AfterBlockTraffic ApplicationStop DownloadBundle BeforeInstall Install AfterInstall " +
			"ApplicationStart ValidateService BeforeAllowTraffic AfterAllowTraffic"}
	const first = `BeforeInstall 1:hooks/BeforeInstall.sh
		AfterInstall 1:hooks/AfterInstall.sh
		ApplicationStart 1:hooks/ApplicationStart.sh
		ValidateService 1:hooks/ValidateService.sh
		BeforeAllowTraffic 1:hooks/BeforeAllowTraffic.sh
		AfterAllowTraffic 1:hooks/AfterAllowTraffic.sh`
	const second = first + `
		BeforeBlockTraffic 1:hooks/BeforeBlockTraffic.sh
		AfterBlockTraffic 1:hooks/AfterBlockTraffic.sh
		ApplicationStop 1:hooks/ApplicationStop.sh
		BeforeInstall 2:hooks/BeforeInstall.sh
		AfterInstall 2:hooks/AfterInstall.sh
		ApplicationStart 2:hooks/ApplicationStart.sh
		ValidateService 2:hooks/ValidateService.sh
		BeforeAllowTraffic 2:hooks/BeforeAllowTraffic.sh
		AfterAllowTraffic 2:hooks/AfterAllowTraffic.sh`
	rules := []rule{
		{name: "nothing: all events, twice", ordinary: true, deploys: []deploy{all, all}, ran: second},
		{name: "two events: the download and Install come first", deploys: asked(
			"AfterInstall,ValidateService", "DownloadBundle Install AfterInstall ValidateService",
		),
			ran: "AfterInstall 1:hooks/AfterInstall.sh \n ValidateService 1:hooks/ValidateService.sh"},
		{
			name:    "ApplicationStop alone is the new revision's",
			deploys: asked("ApplicationStop", "DownloadBundle Install ApplicationStop"), ran: "ApplicationStop 1:hooks/ApplicationStop.sh",
		},
		{name: "ApplicationStop before the download", deploys: []deploy{
			all,
			asked("ApplicationStop,DownloadBundle,Install,ApplicationStart", "ApplicationStop DownloadBundle Install ApplicationStart")[0],
		},
			ran: first + " \n ApplicationStop 1:hooks/ApplicationStop.sh \n ApplicationStart 2:hooks/ApplicationStart.sh"},
		{name: "the download alone", deploys: asked("DownloadBundle", "DownloadBundle Install")},
		{
			name: "an event twice", deploys: asked("AfterInstall,AfterInstall", "DownloadBundle Install AfterInstall AfterInstall"),
			ran: "AfterInstall 1:hooks/AfterInstall.sh \n AfterInstall 1:hooks/AfterInstall.sh",
		},
		{name: "an event of the new revision before Install", deploys: refused("DownloadBundle,AfterInstall,Install", "AfterInstall", "Install")},
		{name: "Install before the download", deploys: refused("Install,DownloadBundle", "Install", "DownloadBundle")},
		{name: "an event in lower case", deploys: refused("beforeinstall", "did you mean BeforeInstall?")},
		{
			name:    "an event that nobody knows",
			deploys: []deploy{{appspec: appspec, bundle: bundle, asked: "Nonsense", events: "DownloadBundle Install=5", says: []string{"Nonsense"}}},
		},
	}
	for i := range rules {
		rules[i].in, rules[i].once = localOnly, true
	}
	return rules
}
