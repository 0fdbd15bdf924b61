#!/bin/sh
# What the scripts of the packages share; the build puts it in front of each of them.
set -e

unit=codedeploy-agent.service
conf=/etc/codedeploy-agent/conf/codedeployagent.yml
new_host=/usr/share/codedeploy-agent/new-host.yml

# booted says whether systemd manages this system: not in a chroot, nor in a container or an image that is being built.
booted() {
	[ -d /run/systemd/system ] || return 1
	if command -v systemd-detect-virt >/dev/null && systemd-detect-virt --quiet --chroot; then return 1; fi
}

# kept_still says whether somebody wants this package not to start or enable anything by itself.
kept_still() {
	[ -n "${CODEDEPLOY_AGENT_DO_NOT_START:-}" ] || [ -e /etc/codedeploy-agent/do-not-start ]
}

# allowed ACTION asks the system's policy.
allowed() {
	[ -x /usr/sbin/policy-rc.d ] || return 0
	answer=0
	/usr/sbin/policy-rc.d codedeploy-agent "$1" >/dev/null 2>&1 || answer=$?
	[ "$answer" -eq 0 ] || [ "$answer" -eq 104 ]
}

# property NAME is what systemd knows of the service, also of one whose unit has just been replaced on disk.
property() { systemctl show --property "$1" "$unit" 2>/dev/null | sed 's/^[^=]*=//'; }

running() {
	case "$(property ActiveState)" in active | activating | reloading | deactivating) return 0 ;; esac
	return 1
}

# configure_new_host gives a host that has had no agent its configuration. Any other configuration is the operator's.
configure_new_host() {
	mkdir -p /etc/codedeploy-agent/conf
	if [ -e "$conf" ] || [ -L "$conf" ] || [ -e "$conf.rpmsave" ] || [ -e /opt/codedeploy-agent/deployment-root ]; then return 0; fi
	cp "$new_host" "$conf.new"
	chmod 0644 "$conf.new"
	mv "$conf.new" "$conf"
}

enable_service() {
	if kept_still; then return 0; fi
	if command -v systemctl >/dev/null; then systemctl --quiet enable "$unit" || echo "codedeploy-agent: cannot enable $unit" >&2; fi
}

# keep_enabled enables the unit where an official package has started its agent at boot by an init script: the unit hides that.
keep_enabled() {
	for link in /etc/rc[2-5].d/S[0-9][0-9]codedeploy-agent /etc/rc.d/rc[2-5].d/S[0-9][0-9]codedeploy-agent; do
		if [ -L "$link" ]; then
			enable_service
			return 0
		fi
	done
}

# plan_start OLD prints what is to be done with the service once everything is in place. OLD is what was installed before: nothing, ours or
# official. It has to be asked before systemd reads the new unit.
plan_start() {
	booted || return 0
	if running; then
		# Only our own unit is Type=notify; another agent does not know the signal.
		if [ "$(property Type)" = notify ]; then echo hand-over; else echo restart; fi
		return 0
	fi
	if kept_still; then return 0; fi
	case "$1" in
	nothing) echo start ;;
	# The official package stops its agent before ours can look.
	official) if systemctl --quiet is-enabled "$unit" 2>/dev/null; then echo start; fi ;;
	esac
}

# carry_out PLAN does not wait for the agent, which is not ready before the host's identity is there.
carry_out() {
	booted || return 0
	systemctl daemon-reload || true
	case "$1" in
	hand-over)
		allowed restart || return 0
		# Hooks go on, and the new agent reports their results.
		systemctl kill --kill-who=main --signal=SIGUSR2 "$unit" || true
		systemctl --no-block restart "$unit" || true
		;;
	restart) if allowed restart; then systemctl --no-block restart "$unit" || true; fi ;;
	start) if allowed start; then systemctl --no-block start "$unit" || true; fi ;;
	esac
}

# end_service stops the agent at once: hooks go on, and what they end with is kept for the next agent.
end_service() {
	if booted && running; then
		if [ "$(property Type)" = notify ]; then systemctl kill --kill-who=main --signal=SIGUSR2 "$unit" || true; fi
		systemctl stop "$unit" || true
	fi
}

disable_service() {
	if command -v systemctl >/dev/null; then systemctl --quiet disable "$unit" >/dev/null 2>&1 || true; fi
}
