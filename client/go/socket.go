package livehandle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
)

const longestPath = 107 // The kernel's limit, in bytes.

var instanceName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// socketPath returns where the socket is, by the rule that the daemon itself goes by.
func socketPath(socket, instance string) (string, error) {
	path := firstOf(socket, os.Getenv("LIVEHANDLE_SOCKET"))
	if path == "" {
		name := firstOf(instance, os.Getenv("LIVEHANDLE_INSTANCE"), "default")
		if !instanceName.MatchString(name) || name == "." || name == ".." {
			return "", newError(ErrConfigInvalid,
				"The instance name %q is not usable: give 1 to 64 of A-Z a-z 0-9 . _ -", name)
		}
		directory, err := runtimeDirectory()
		if err != nil {
			return "", err
		}
		path = filepath.Join(directory, "livehandle", name+".sock")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", newError(ErrConfigInvalid, "Give the socket's whole path: %v", err)
	}
	if len(path) > longestPath {
		return "", newError(ErrConfigInvalid,
			"The socket path is %d bytes long and the limit is %d: give a shorter one than %s",
			len(path), longestPath, path)
	}
	return path, nil
}

// runtimeDirectory returns this user's private directory.
func runtimeDirectory() (string, error) {
	uid := strconv.Itoa(os.Geteuid())
	last := filepath.Join(os.TempDir(), "runtime-"+uid)
	for _, directory := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/run/user/" + uid, last} {
		if isPrivate(directory) {
			return directory, nil
		}
	}
	if _, err := os.Lstat(last); errors.Is(err, fs.ErrNotExist) {
		return last, nil // There is no daemon, as who connects will learn.
	}
	return "", newError(ErrConfigInvalid,
		"Set XDG_RUNTIME_DIR or give the socket: %s is not a private directory of yours", last)
}

// isPrivate returns whether it is a directory of this user that nobody else can look into.
func isPrivate(directory string) bool {
	var found syscall.Stat_t
	err := syscall.Lstat(directory, &found)
	return err == nil && found.Mode == syscall.S_IFDIR|0o700 && int(found.Uid) == os.Geteuid()
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
