//! The live view of a running engine in a terminal; plain lines where there is no terminal.

use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use contract::{Folder, Refused, State, Status};
use crossterm::style::{Color, Stylize, style};
use crossterm::{cursor, execute, queue, terminal};
use engine::Engine;
use tokio::signal::unix::{SignalKind, signal};

use crate::words::{self, plain};

/// The shortest time between two updates of the view.
const PACE: Duration = Duration::from_millis(250);

/// Runs the engine on `folders` until a signal stops it.
pub(crate) fn run(folders: &[PathBuf]) -> Result<()> {
    let runtime = engine::runtime()?;
    let outcome = runtime.block_on(keep(folders));
    runtime.shutdown_background();
    outcome
}

async fn keep(folders: &[PathBuf]) -> Result<()> {
    let mut engine = Engine::start(folders, None)?;
    let status = engine.status().await;
    if status.folders.is_empty() {
        engine.stop().await;
        let refused: Vec<String> = status.refused.iter().map(refused).collect();
        anyhow::bail!(refused.join("; "));
    }
    let mut view = View::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    loop {
        view.show(&engine.status().await)?;
        tokio::select! {
            () = paced(&mut engine) => {}
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    view.end()?;
    engine.stop().await;
    Ok(())
}

async fn paced(engine: &mut Engine) {
    engine.changed().await;
    tokio::time::sleep(PACE).await;
}

/// The state of the view.
struct View {
    is_terminal: bool,
    said: Vec<String>,
}

impl View {
    fn new() -> Self {
        Self {
            is_terminal: stdout().is_terminal(),
            said: Vec::new(),
        }
    }

    fn show(&mut self, status: &Status) -> Result<()> {
        if self.is_terminal {
            draw(status)
        } else {
            self.say(status)
        }
    }

    fn end(&self) -> Result<()> {
        if self.is_terminal {
            execute!(stdout(), cursor::Show)?;
        }
        Ok(())
    }

    /// Prints a line for each folder whose headline changed, for output without a terminal.
    fn say(&mut self, status: &Status) -> Result<()> {
        let headline = |folder: &Folder| match &folder.question {
            Some(question) => format!("{}: {}", folder.path, question.text),
            None => format!("{}: {}", folder.path, folder.headline),
        };
        let lines = status.folders.iter().map(headline);
        let lines = lines.chain(status.refused.iter().map(refused));
        let lines: Vec<String> = lines.map(|line| plain(&line)).collect();
        for line in lines.iter().filter(|line| !self.said.contains(line)) {
            writeln!(stdout(), "{line}")?;
        }
        self.said = lines;
        Ok(())
    }
}

fn refused(Refused { path, why }: &Refused) -> String {
    format!("Anabranch does not sync {path}: {why}")
}

fn draw(status: &Status) -> Result<()> {
    let (width, height) = terminal::size().unwrap_or((80, 24));
    let lines: Vec<_> = status
        .folders
        .iter()
        .flat_map(lines)
        .chain(
            status
                .refused
                .iter()
                .map(|one| (plain(&format!(" ! {}", refused(one))), Color::Red)),
        )
        .take(usize::from(height).saturating_sub(1))
        .collect();
    let mut out = stdout().lock();
    queue!(out, cursor::Hide, cursor::MoveTo(0, 0))?;
    for (text, color) in lines {
        let text: String = text.chars().take(usize::from(width)).collect();
        queue!(out, terminal::Clear(terminal::ClearType::CurrentLine))?;
        write!(out, "{}\r\n", style(text).with(color))?;
    }
    queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
    out.flush()?;
    Ok(())
}

fn lines(folder: &Folder) -> Vec<(String, Color)> {
    let (mark, color) = match folder.state {
        State::NeedsYou => ('!', Color::Red),
        State::Stopped => ('○', Color::Grey),
        State::Paused => ('‖', Color::Yellow),
        State::Working => ('↕', Color::Cyan),
        State::Waiting => ('•', Color::Yellow),
        State::Safe => ('✓', Color::Green),
    };
    let first = format!(" {mark} {}  {}", folder.path, folder.headline);
    let mut lines = vec![(plain(&first), color)];
    // The first line of the summary is the headline.
    lines.extend(
        words::summary(folder)
            .lines()
            .skip(1)
            .map(|line| (format!("   {line}"), Color::Reset)),
    );
    let recent = folder
        .recent
        .iter()
        .take(5)
        .map(|change| (format!("     · {}", plain(&change.what)), Color::DarkGrey));
    lines.extend(recent);
    lines.push((String::new(), Color::Reset));
    lines
}
