//! Whether there is a display to show a window on.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Where a display answers.
#[derive(Debug, PartialEq)]
enum Door {
    Socket(PathBuf),
    Port(String, u16),
}

/// Whether a display that the environment names answers; one that is named may be long gone.
pub(crate) fn is_there() -> bool {
    let variable = |name| std::env::var(name).ok();
    let wayland = variable("WAYLAND_DISPLAY").and_then(|name| wayland(&name, variable("XDG_RUNTIME_DIR").as_deref()));
    let x = variable("DISPLAY").and_then(|name| x(&name));
    wayland.into_iter().chain(x).any(|door| match door {
        Door::Socket(path) => UnixStream::connect(path).is_ok(),
        Door::Port(host, port) => TcpStream::connect((host, port)).is_ok(),
    })
}

/// A name in the runtime folder, or a whole path.
fn wayland(name: &str, runtime: Option<&str>) -> Option<Door> {
    let is_known = !name.is_empty() && (name.starts_with('/') || runtime.is_some());
    is_known.then(|| Door::Socket(Path::new(runtime.unwrap_or("/")).join(name)))
}

/// `:0` and `:0.0` are of this computer; `localhost:10.0`, as ssh makes it, is a port.
fn x(name: &str) -> Option<Door> {
    let (host, numbers) = name.rsplit_once(':')?;
    let number: u16 = numbers.split('.').next()?.parse().ok()?;
    match host {
        "" | "unix" => Some(Door::Socket(format!("/tmp/.X11-unix/X{number}").into())),
        host => Some(Door::Port(host.to_owned(), number.checked_add(6000)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_displays_name_says_where_it_answers() {
        let socket = |path: &str| Some(Door::Socket(path.into()));
        assert_eq!(x(":0"), socket("/tmp/.X11-unix/X0"));
        assert_eq!(x(":7.1"), socket("/tmp/.X11-unix/X7"));
        assert_eq!(x("localhost:10.0"), Some(Door::Port("localhost".to_owned(), 6010)));
        for nothing in ["", "0", ":", ":x", "host:65000"] {
            assert_eq!(x(nothing), None, "{nothing}");
        }
        assert_eq!(
            wayland("wayland-0", Some("/run/user/1000")),
            socket("/run/user/1000/wayland-0")
        );
        assert_eq!(wayland("/run/w", None), socket("/run/w"));
        assert_eq!(wayland("wayland-0", None), None);
        assert_eq!(wayland("", Some("/run/user/1000")), None);
    }
}
