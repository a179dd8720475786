//! The real window of the desktop program, read and used as a person would: by the words on it.
//!
//! WebKitWebDriver, which comes with the web view, starts the program and speaks for the window.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::wait::{PATIENCE, eventually};
use crate::{Desktop, Sandbox, programs};

/// What WebDriver calls the name of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The desktop program with its window open. Both end with it.
pub struct Window {
    driver: Child,
    log: PathBuf,
    /// Where the program's process number is.
    process: PathBuf,
    agent: ureq::Agent,
    /// Where the driver is asked, and, once it is open, the window.
    address: String,
}

impl Window {
    /// Starts the desktop program on some folders with its window open, and waits until the window shows a page.
    ///
    /// # Panics
    ///
    /// When it does not; [`crate::skip::needs_window`] says whether what it needs is installed.
    #[track_caller]
    #[must_use]
    pub fn open(desktop: &Desktop, sandbox: &Sandbox, folders: &[&Path]) -> Window {
        let mut window = Window::driver(desktop, sandbox);
        let mut arguments = vec![OsString::from("--window")];
        arguments.extend(folders.iter().map(|folder| folder.as_os_str().to_owned()));
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        let options = json!({"binary": window.starter(sandbox).to_string_lossy(), "args": arguments});
        let wanted = json!({"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}});
        let opened = window.post("/session", &wanted);
        let session = opened.as_ref().ok().and_then(|session| session["sessionId"].as_str());
        let session = session.unwrap_or_else(|| panic!("no window: {opened:?}\n{}", window.words()));
        window.address = format!("{}/session/{session}", window.address);
        window
    }

    /// Starts the driver, which has no window yet.
    fn driver(desktop: &Desktop, sandbox: &Sandbox) -> Window {
        // A port that was free a moment ago: the driver does not tell which one it would take by itself.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = port.expect("this machine talks to itself").port();
        let log = sandbox.path("window.log");
        let file = File::create(&log).unwrap();
        let mut driver = sandbox.command("WebKitWebDriver");
        driver.arg(format!("--port={port}")).arg("--host=127.0.0.1");
        // The program says it to its web view, which lets nobody in otherwise.
        driver.env("TAURI_WEBVIEW_AUTOMATION", "true");
        let driver = desktop.on(&mut driver).stdout(file.try_clone().unwrap()).stderr(file);
        let driver = driver.stdin(Stdio::null()).spawn().expect("the driver can be started");
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        let window = Window {
            driver,
            log,
            process: sandbox.path("window.pid"),
            agent: config.into(),
            address: format!("http://{}:{port}", Ipv4Addr::LOCALHOST),
        };
        eventually(PATIENCE, || window.get("/status").map(drop));
        window
    }

    /// A script that becomes the program, and leaves its process number: the driver, whose child it is, does not end it.
    fn starter(&self, sandbox: &Sandbox) -> PathBuf {
        let starter = sandbox.path("start-window");
        let program = programs::anabranch_desktop();
        let text = format!(
            "#!/bin/sh\necho $$ >'{}'\nexec '{}' \"$@\"\n",
            self.process.display(),
            program.display()
        );
        fs::write(&starter, text).unwrap();
        fs::set_permissions(&starter, fs::Permissions::from_mode(0o700)).unwrap();
        starter
    }

    /// Asks the program to end, as a session's end does, and waits for it. Whether it did.
    fn end_program(&self) -> bool {
        let number = fs::read_to_string(&self.process).unwrap_or_default();
        // The number is another's one day.
        let _ = fs::remove_file(&self.process);
        // None was started if there is no number.
        let Ok(number) = number.trim().parse() else { return true };
        let _ = kill(Pid::from_raw(number), Signal::SIGTERM);
        let asked_at = Instant::now();
        // Its child that has ended keeps its number until the driver asks for it, but no program.
        while fs::read_link(format!("/proc/{number}/exe")).is_ok() {
            if asked_at.elapsed() > PATIENCE {
                let _ = kill(Pid::from_raw(number), Signal::SIGKILL);
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Waits until the window shows these words somewhere.
    #[track_caller]
    pub fn shows(&self, words: &str) {
        eventually(PATIENCE, || {
            let text = self.text()?;
            let is_there = text.contains(words);
            is_there
                .then_some(())
                .ok_or_else(|| format!("no {words:?} on the page:\n{text}"))
        });
    }

    /// All words that the window shows, as they are seen.
    ///
    /// # Errors
    ///
    /// When the page is just being changed, or gone.
    pub fn text(&self) -> Result<String, String> {
        let body = self.find("//body")?;
        self.get(&format!("/element/{body}/text"))
            .map(|text| text.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks the button or link of this name: the words on it, or those that it has for a screen reader.
    #[track_caller]
    pub fn click(&self, name: &str) {
        let name = quoted(name);
        let path = format!(
            "//*[self::button or self::a or self::summary][@aria-label={name} or not(@aria-label) and normalize-space()={name}]"
        );
        self.press(&path);
    }

    /// Clicks what is found at a path, until it is hit: what is above it may become larger or smaller, or be drawn again, and
    /// the click go beside it.
    #[track_caller]
    fn press(&self, path: &str) {
        let script = "const [target] = arguments;
            window.isHit = false;
            target.addEventListener('click', () => { window.isHit = true; }, { capture: true, once: true });";
        let mut place = None;
        eventually(PATIENCE, || {
            let found = self.find(path)?;
            let now = self.get(&format!("/element/{found}/rect"))?;
            if place.replace(now.clone()) != Some(now) {
                return Err(format!("{path} does not stand still"));
            }
            let target = json!({ELEMENT: found});
            self.post("/execute/sync", &json!({"script": script, "args": [target]}))?;
            self.post(&format!("/element/{found}/click"), &json!({}))?;
            match self.run("return window.isHit;")?.as_bool() {
                Some(false) => Err(format!("the click did not hit {path}")),
                Some(true) | None => Ok(()),
            }
        });
    }

    /// Writes into the field of this label, instead of what stands there.
    #[track_caller]
    pub fn fill(&self, label: &str, words: &str) {
        let label = quoted(label);
        let path = format!(
            "//*[self::input or self::textarea][@aria-label={label} or @id=//label[normalize-space()={label}]/@for \
             or ancestor::label[normalize-space()={label}]]"
        );
        eventually(PATIENCE, || {
            let found = self.find(&path)?;
            self.post(&format!("/element/{found}/clear"), &json!({}))?;
            self.post(&format!("/element/{found}/value"), &json!({"text": words}))
                .map(drop)
        });
    }

    /// Sets the box, switch or choice of this label, as a click on the label does.
    #[track_caller]
    pub fn choose(&self, label: &str) {
        // A label may go on with what the choice means.
        let path = format!("//label[starts-with(normalize-space(), {})]", quoted(label));
        self.press(&path);
    }

    /// Chooses from the list of this label. The driver has no way to a list that is open, so the page is told as the list
    /// tells it.
    #[track_caller]
    pub fn pick(&self, label: &str, choice: &str) {
        let script = "const [label, choice] = arguments;
            const named = [...document.querySelectorAll('label')].find((one) => one.textContent.trim() === label);
            const list = named?.control;
            const option = [...(list?.options ?? [])].find((one) => one.textContent.trim() === choice);
            if (!option) { return false; }
            list.value = option.value;
            list.dispatchEvent(new Event('change', { bubbles: true }));
            return true;";
        eventually(PATIENCE, || {
            let picked = self.post("/execute/sync", &json!({"script": script, "args": [label, choice]}))?;
            match picked.as_bool() {
                Some(true) => Ok(()),
                Some(false) | None => Err(format!("no list {label:?} with {choice:?}")),
            }
        });
    }

    /// What a script in the page returns.
    ///
    /// # Errors
    ///
    /// When the script fails.
    pub fn run(&self, script: &str) -> Result<Value, String> {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// What the driver and the program said.
    #[must_use]
    pub fn words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        format!("--- {}\n{}", self.log.display(), String::from_utf8_lossy(&log))
    }

    fn find(&self, path: &str) -> Result<String, String> {
        let found = self.post("/element", &json!({"using": "xpath", "value": path}))?;
        let name = found[ELEMENT].as_str();
        name.map(str::to_owned)
            .ok_or_else(|| format!("that is no element: {found}"))
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        answer(self.agent.get(format!("{}{path}", self.address)).call())
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        answer(self.agent.post(format!("{}{path}", self.address)).send_json(body))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let has_ended = self.end_program();
        // Both fail only when it has ended already.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let words = self.words();
        if std::thread::panicking() {
            eprintln!("{words}");
        } else {
            assert!(has_ended, "the program did not end\n{words}");
            assert!(!words.contains("panicked at"), "the program panicked\n{words}");
        }
    }
}

/// The value of the driver's answer, or why there is none.
fn answer(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
    let mut answer = answer.map_err(|error| error.to_string())?;
    let mut body: Value = answer.body_mut().read_json().map_err(|error| error.to_string())?;
    let value = body["value"].take();
    if answer.status().is_success() {
        Ok(value)
    } else {
        Err(value["message"]
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// Words as XPath takes them; it knows no escapes.
fn quoted(words: &str) -> String {
    if words.contains('"') {
        format!("'{words}'")
    } else {
        format!("\"{words}\"")
    }
}
