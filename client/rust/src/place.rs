//! Where the socket is: the rule of the daemon and of every client.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::api::ErrorName;
use crate::error::Error;

/// The kernel's limit: `sun_path` holds 108 bytes, the last of them NUL.
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// Which daemon to connect to, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The socket's path; by default `$LIVEHANDLE_SOCKET`, else it goes by the instance.
    pub socket: Option<PathBuf>,
    /// The instance, where no socket is given, not even by `$LIVEHANDLE_SOCKET`; by default
    /// `$LIVEHANDLE_INSTANCE`, else `default`.
    pub instance: Option<String>,
    /// What this client calls itself, at most 64 characters; by default the program's name.
    pub client: Option<String>,
}

impl Options {
    /// What the client calls itself.
    pub(crate) fn name(&self) -> String {
        let program = || Some(env::current_exe().ok()?.file_name()?.to_string_lossy().into_owned());
        let name = self.client.clone().or_else(program);
        name.unwrap_or_else(|| "rust".to_string()).chars().take(64).collect()
    }

    /// The socket's path. Fails with `config.invalid`.
    pub(crate) fn path(&self) -> Result<PathBuf, Error> {
        self.path_in(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn path_in(&self, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
        let given = self.socket.clone().filter(|path| !path.as_os_str().is_empty());
        let path = match given.or_else(|| variable("LIVEHANDLE_SOCKET").map(PathBuf::from)) {
            Some(path) => env::current_dir().map_or(path.clone(), |here| here.join(path)),
            None => {
                let instance = self.instance.clone().map(OsString::from);
                let name = instance.or_else(|| variable("LIVEHANDLE_INSTANCE"));
                let name = instance_name(name.unwrap_or_else(|| "default".into()))?;
                runtime_directory(variable)?.join("livehandle").join(format!("{name}.sock"))
            }
        };
        let length = path.as_os_str().len();
        if length > MAX_SOCKET_PATH_BYTES {
            return Err(invalid(format!(
                "The socket path is {length} bytes long and the limit is {MAX_SOCKET_PATH_BYTES}: \
                 give a shorter one than {}.",
                path.display()
            )));
        }
        Ok(path)
    }
}

fn instance_name(name: OsString) -> Result<String, Error> {
    let usable = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let bytes = name.as_bytes();
    let text = name.to_string_lossy().into_owned();
    if (1..=64).contains(&bytes.len()) && bytes.iter().all(usable) && text != "." && text != ".." {
        return Ok(text);
    }
    Err(invalid(format!(
        "The instance name {text:?} is not usable: give 1 to 64 of A-Z a-z 0-9 . _ -"
    )))
}

/// What platformdirs, which the daemon asks, has for a user's runtime directory.
fn runtime_directory(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    // The owner of its own entry is the one portable-enough answer without libc.
    let own = fs::metadata("/proc/self");
    let uid =
        own.map_err(|why| invalid(format!("Give a socket: /proc tells no user ({why}).")))?.uid();
    let named = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let login = Some(PathBuf::from(format!("/run/user/{uid}"))).filter(|path| path.exists());
    let mut private = named.into_iter().chain(login).filter(|path| is_of(uid, path, true));
    let temporary = env::temp_dir().join(format!("runtime-{uid}"));
    match private.next() {
        Some(path) => Ok(path),
        None if is_of(uid, &temporary, false) => Ok(temporary),
        None => Err(invalid(format!(
            "Set XDG_RUNTIME_DIR or give a socket: {} is no directory of this user.",
            temporary.display()
        ))),
    }
}

/// Whether a directory is a user's, and his alone; true too where it is missing.
fn is_of(uid: u32, path: &Path, alone: bool) -> bool {
    match fs::symlink_metadata(path) {
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(status) => {
            let private = !alone || status.mode() & 0o777 == 0o700;
            status.is_dir() && status.uid() == uid && private
        }
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorName::ConfigInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(options: &Options, set: &[(&str, &str)]) -> Result<PathBuf, Error> {
        let value = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into());
        options.path_in(value)
    }

    fn socket(path: &str) -> Options {
        Options { socket: Some(path.into()), ..Options::default() }
    }

    #[test]
    fn the_argument_comes_before_the_environment() {
        let path = found(&socket("/run/a"), &[("LIVEHANDLE_SOCKET", "/run/b")]);
        assert_eq!(path.unwrap(), PathBuf::from("/run/a"));
        for nothing in [Options::default(), socket("")] {
            let path = found(&nothing, &[("LIVEHANDLE_SOCKET", "/run/b")]);
            assert_eq!(path.unwrap(), PathBuf::from("/run/b"));
        }
    }

    #[test]
    fn a_relative_path_is_of_the_working_directory() {
        let here = env::current_dir().unwrap();
        assert_eq!(found(&socket("s"), &[]).unwrap(), here.join("s"));
    }

    #[test]
    fn the_instance_is_a_file_of_the_runtime_directory() {
        let missing = [("XDG_RUNTIME_DIR", "/nowhere/at/all")];
        let path = found(&Options::default(), &missing).unwrap();
        assert_eq!(path, PathBuf::from("/nowhere/at/all/livehandle/default.sock"));
        let set = [("XDG_RUNTIME_DIR", "/nowhere"), ("LIVEHANDLE_INSTANCE", "b")];
        let path = found(&Options::default(), &set).unwrap();
        assert_eq!(path, PathBuf::from("/nowhere/livehandle/b.sock"));
        let named = Options { instance: Some("a".into()), ..Options::default() };
        let path = found(&named, &set).unwrap();
        assert_eq!(path, PathBuf::from("/nowhere/livehandle/a.sock"));
    }

    #[test]
    fn a_runtime_directory_that_is_not_private_is_passed_over() {
        let path = found(&Options::default(), &[("XDG_RUNTIME_DIR", "/tmp")]).unwrap();
        assert!(!path.starts_with("/tmp/livehandle"), "{}", path.display());
    }

    #[test]
    fn what_cannot_be_a_path_is_refused() {
        for name in [".", "..", "a/b", "a b", "é", &"x".repeat(65)] {
            let named = Options { instance: Some(name.to_string()), ..Options::default() };
            assert_eq!(found(&named, &[]).unwrap_err().name, ErrorName::ConfigInvalid, "{name}");
        }
        let error = found(&socket(&format!("/{}", "x".repeat(107))), &[]).unwrap_err();
        assert_eq!((error.name, error.code), (ErrorName::ConfigInvalid, 1920));
        assert!(found(&socket(&format!("/{}", "x".repeat(106))), &[]).is_ok());
    }
}
