# What the hooks share. Sourced, not run.
set -eu

web=/srv/web
run=/srv/run

# The host says which port is its own.
. /srv/instance.conf
url=http://127.0.0.1:$PORT

# setting KEY prints a setting of the installed version.
setting() {
	sed -n "s/^$1=//p" "$web/site.conf"
}

# web_pid prints the pid of the running server, and fails if there is none. A pid in the file that meanwhile belongs to
# something else is not the server's.
web_pid() {
	[ -f "$run/web.pid" ] || return 1
	_pid=$(cat "$run/web.pid")
	case $(readlink "/proc/$_pid/exe") in
	"$web/bin/webserver"*) echo "$_pid" ;;
	*) return 1 ;;
	esac
}
