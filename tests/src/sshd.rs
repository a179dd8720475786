//! Another computer, as far as ssh can tell: a real sshd on this one, with an account of its own.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::Pid;

use crate::network::{self, Network};
use crate::{PATIENCE, Sandbox, eventually, programs, run};

/// Whose program serves git-annex there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// `anabranch`; git-annex is not installed.
    Anabranch,
    /// The real git-annex.
    GitAnnex,
    /// Nobody's: only git is there.
    Nobody,
}

/// What clients may run there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Everything: the account has an ordinary shell.
    Everything,
    /// `git-annex-shell` is the account's shell.
    GitAnnexShell,
}

/// A computer that is reached as `ssh NAME` from its sandbox; it is gone when this is let go of.
pub struct Sshd {
    name: String,
    home: PathBuf,
    /// Its configuration, keys and log.
    own: PathBuf,
    port: Port,
}

/// A port at which it listens, until this is let go of.
pub struct Port {
    listener: TcpListener,
    is_over: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<Child>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Sshd {
    /// Starts one. `variables` are in the environment of all that runs there.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(sandbox: &Sandbox, name: &str, shell: Shell, login: Login, variables: &[(&str, &str)]) -> Sshd {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Sshd::listen(sandbox, name, (shell, login), variables, listener)
    }

    /// Starts one at the other end of a network.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start_far(sandbox: &Sandbox, name: &str, shell: Shell, network: &Network) -> Sshd {
        std::thread::scope(|scope| {
            // What a thread starts is where it is itself.
            let start = scope.spawn(|| {
                network.enter_far_end();
                let listener = TcpListener::bind((network::FAR, 0)).unwrap();
                Sshd::listen(sandbox, name, (shell, Login::Everything), &[], listener)
            });
            start.join().unwrap()
        })
    }

    fn listen(
        sandbox: &Sandbox,
        name: &str,
        (shell, login): (Shell, Login),
        variables: &[(&str, &str)],
        listener: TcpListener,
    ) -> Sshd {
        let home = sandbox.path(format!("home of {name}"));
        let own = sandbox.path(format!("sshd of {name}"));
        for folder in [&home, &own, &own.join("bin")] {
            fs::create_dir(folder).unwrap();
        }
        fs::copy(sandbox.path("home/.gitconfig"), home.join(".gitconfig")).unwrap();
        let path = programs_of(sandbox, shell, &own.join("bin"));
        let host_key = new_key(sandbox, &own.join("host"));
        let client_key = new_key(sandbox, &own.join("client"));
        let serve = own.join("serve");
        let mut script = format!(
            "#!/bin/sh\nexport HOME='{}' PATH='{path}' GIT_CONFIG_NOSYSTEM=1 LC_ALL=C.UTF-8\ncd\n",
            home.display()
        );
        for (variable, value) in variables {
            script += &format!("export {variable}='{value}'\n");
        }
        script += match login {
            Login::Everything => "exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
            Login::GitAnnexShell => "exec git-annex-shell -c \"$SSH_ORIGINAL_COMMAND\"\n",
        };
        write_program(&serve, &script);
        let keys = format!("command=\"'{}'\" {client_key}", serve.display());
        fs::write(own.join("authorized_keys"), keys).unwrap();
        let config = format!(
            "HostKey \"{0}/host\"\nAuthorizedKeysFile \"{0}/authorized_keys\"\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nUseDNS no\n",
            own.display()
        );
        fs::write(own.join("config"), config).unwrap();
        fs::write(own.join("known_hosts"), format!("{name} {host_key}")).unwrap();
        introduce(sandbox, (name, name), listener.local_addr().unwrap(), &own);
        Sshd {
            name: name.to_owned(),
            home,
            port: Port::listen(listener, &own),
            own,
        }
    }

    /// Listens at one more port, by which it is reached as `ssh NAME`: the address of another network.
    ///
    /// # Panics
    ///
    /// When no port is free.
    #[must_use]
    pub fn listen_also(&self, sandbox: &Sandbox, name: &str) -> Port {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        self.introduce_as(sandbox, name, listener.local_addr().unwrap().port());
        Port::listen(listener, &self.own)
    }

    /// From now on, allows each login this many sessions at once.
    ///
    /// # Panics
    ///
    /// When its settings cannot be written.
    pub fn allow_sessions(&self, count: usize) {
        let mut config = File::options().append(true).open(self.own.join("config")).unwrap();
        writeln!(config, "MaxSessions {count}").unwrap();
    }

    /// The home directory there.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Installs `anabranch` there as what serves git-annex.
    ///
    /// # Panics
    ///
    /// When something serves it already.
    pub fn install(&self) {
        link_anabranch(&self.own.join("bin"));
    }

    /// Cuts all connections, as a network does that goes away for a moment.
    ///
    /// # Panics
    ///
    /// When the list of connections is not whole.
    pub fn cut(&self) {
        end(&self.port.connections);
    }

    /// Makes clients know no host key, so that they ask.
    ///
    /// # Panics
    ///
    /// When the files cannot be written.
    pub fn is_unknown(&self, sandbox: &Sandbox) {
        fs::write(self.known_hosts(), "").unwrap();
        let config = sandbox.path("ssh_config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(
            config,
            text.replace("StrictHostKeyChecking yes", "StrictHostKeyChecking ask"),
        )
        .unwrap();
    }

    /// Makes clients know another host key.
    ///
    /// # Panics
    ///
    /// When the files cannot be written.
    pub fn is_known_by_another_key(&self, sandbox: &Sandbox) {
        self.is_unknown(sandbox);
        let other = fs::read_to_string(self.own.join("client.pub")).unwrap();
        fs::write(self.known_hosts(), format!("{} {other}", self.name)).unwrap();
    }

    /// The host keys that clients know.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.own.join("known_hosts")
    }

    /// The fingerprint of the host key.
    #[must_use]
    pub fn fingerprint(&self, sandbox: &Sandbox) -> String {
        let key = self.own.join("host.pub");
        let told = run(sandbox.command("ssh-keygen").arg("-lf").arg(key));
        told.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Gives the client's key a passphrase.
    pub fn locks_key(&self, sandbox: &Sandbox, passphrase: &str) {
        let mut keygen = sandbox.command("ssh-keygen");
        run(keygen
            .args(["-q", "-p", "-P", "", "-N", passphrase, "-f"])
            .arg(self.own.join("client")));
    }

    /// Takes no key from now on, but the password whose hash this is. Only root can have that, in a file system of its own.
    ///
    /// # Panics
    ///
    /// When the files cannot be written.
    pub fn wants_password(&self, hash: &str) {
        let users = fs::read_to_string("/etc/shadow").unwrap();
        let others = users.lines().filter(|line| !line.starts_with("root:"));
        let shadow: String = others.map(|line| format!("{line}\n")).collect();
        fs::write(
            self.own.join("shadow"),
            format!("root:{hash}:19000:0:99999:7:::\n{shadow}"),
        )
        .unwrap();
        let config = self.own.join("config");
        // The first value holds.
        let before = fs::read_to_string(&config).unwrap();
        let options = format!(
            "PasswordAuthentication yes\nPubkeyAuthentication no\nPermitRootLogin yes\nForceCommand '{}'\n{before}",
            self.own.join("serve").display()
        );
        fs::write(&config, options).unwrap();
    }

    /// What sshd says of its connections.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.own.join("log")).unwrap_or_default()
    }

    /// The port that it listens at.
    ///
    /// # Panics
    ///
    /// Never: it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.listener.local_addr().expect("because it listens").port()
    }

    /// Makes it known by another name too, reached at another port: that of something between.
    pub fn introduce_as(&self, sandbox: &Sandbox, name: &str, port: u16) {
        introduce(
            sandbox,
            (name, &self.name),
            (Ipv4Addr::LOCALHOST, port).into(),
            &self.own,
        );
    }

    /// The address of a repository there.
    #[must_use]
    pub fn address(&self, path: &Path) -> String {
        format!("ssh://{}{}", self.name, path.display())
    }
}

impl Port {
    fn listen(listener: TcpListener, own: &Path) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let connections = Arc::<Mutex<Vec<Child>>>::default();
        let accepting = {
            let (is_over, connections) = (Arc::clone(&is_over), Arc::clone(&connections));
            let (own, listener) = (own.to_owned(), listener.try_clone().unwrap());
            std::thread::spawn(move || {
                for connection in listener.incoming() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let child = answer(connection.unwrap(), &own);
                    connections.lock().unwrap().push(child);
                }
            })
        };
        Self {
            listener,
            is_over,
            connections,
            accepting: Some(accepting),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // It waits for one more connection.
        let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        end(&self.connections);
    }
}

/// The command lines of the ssh clients that a sandbox has started and that still run.
///
/// # Panics
///
/// When the processes cannot be listed.
#[must_use]
pub fn ssh_processes(sandbox: &Sandbox) -> Vec<String> {
    let mark = sandbox.path("ssh_config");
    let commands = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(mark.to_str()?).then_some(line)
    });
    commands.collect()
}

/// Waits until none of them runs any more.
#[track_caller]
pub fn no_ssh_is_left(sandbox: &Sandbox) {
    eventually(PATIENCE, || match ssh_processes(sandbox) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

/// Kills the processes of all connections.
fn end(connections: &Mutex<Vec<Child>>) {
    for mut connection in connections.lock().unwrap().drain(..) {
        // That which has no rights outlives the other.
        let _ = killpg(Pid::from_raw(connection.id().cast_signed()), Signal::SIGKILL);
        let _ = connection.wait();
    }
}

/// The server's side of one connection, as inetd would start it: so nobody has to find a free port for it.
fn answer(connection: TcpStream, own: &Path) -> Child {
    let connection = OwnedFd::from(connection);
    let shadow = own.join("shadow");
    let mut command = match shadow.exists() {
        true => Command::new("unshare"),
        false => Command::new(sshd()),
    };
    if shadow.exists() {
        command
            .args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/shadow && exec \"$@\""])
            .arg(shadow)
            .arg(sshd());
    }
    command
        .args(["-i", "-f"])
        .arg(own.join("config"))
        .arg("-E")
        .arg(own.join("log"))
        .stdin(Stdio::from(connection.try_clone().unwrap()))
        .stdout(Stdio::from(connection))
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sshd can be started")
}

fn sshd() -> &'static str {
    // Where root runs it, it wants an empty directory that its package makes at the start of the system.
    if nix::unistd::geteuid().is_root() {
        let _ = fs::create_dir("/run/sshd");
    }
    "/usr/sbin/sshd"
}

/// PATH there. git-annex is in it only where it serves.
fn programs_of(sandbox: &Sandbox, shell: Shell, bin: &Path) -> String {
    let command = sandbox.command("true");
    let path = command
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .and_then(|(_, value)| value);
    let folders = std::env::split_paths(path.expect("a sandbox has a PATH"));
    let has_git_annex = |folder: &PathBuf| folder.join("git-annex").exists();
    let mut folders: Vec<PathBuf> = match shell {
        Shell::Anabranch => {
            link_anabranch(bin);
            folders.filter(|folder| !has_git_annex(folder)).collect()
        }
        Shell::GitAnnex => folders.collect(),
        Shell::Nobody => folders.filter(|folder| !has_git_annex(folder)).collect(),
    };
    folders.insert(0, bin.to_owned());
    // The client's own programs, such as the ssh that knows this host, are not there.
    folders.retain(|folder| *folder != sandbox.path("programs"));
    std::env::join_paths(folders).unwrap().into_string().unwrap()
}

fn link_anabranch(bin: &Path) {
    symlink(programs::anabranch(), bin.join("git-annex-shell")).unwrap();
}

/// Makes a key pair, and returns the public one.
fn new_key(sandbox: &Sandbox, path: &Path) -> String {
    let mut keygen = sandbox.command("ssh-keygen");
    run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path));
    fs::read_to_string(path.with_extension("pub")).unwrap()
}

/// Tells the sandbox's ssh how to reach a host, whose key has another name. ssh itself looks for its configuration in no HOME.
fn introduce(sandbox: &Sandbox, (name, key_of): (&str, &str), at: SocketAddr, own: &Path) {
    let config = sandbox.path("ssh_config");
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .unwrap()
        .unwrap()
        .name;
    let mut text = fs::read_to_string(&config).unwrap_or_default();
    text += &format!(
        "Host {name}\n\tHostName {1}\n\tPort {2}\n\tUser {user}\n\tHostKeyAlias {key_of}\n\
         \tIdentityFile \"{0}/client\"\n\tIdentitiesOnly yes\n\tIdentityAgent none\n\tUserKnownHostsFile \"{0}/known_hosts\"\n\
         \tStrictHostKeyChecking yes\n\tLogLevel ERROR\n",
        own.display(),
        at.ip(),
        at.port()
    );
    fs::write(&config, text).unwrap();
    let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", config.display());
    write_program(&sandbox.path("programs/ssh"), &script);
}

fn write_program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
