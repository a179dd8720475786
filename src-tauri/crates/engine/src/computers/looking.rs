//! Looks step by step whether a folder can have a place on another computer.

use annex::settings::{SshAddress, SshHost};
use contract::{Check, Checked, Looked, There, Verdict};
use remotes::{AtPath, Failed, Hosts, Survey, Way};

use crate::login;
use crate::repository::LEAST_ROOM;

/// The checks in their order.
const CHECKS: [Check; 6] = [
    Check::Reach,
    Check::Login,
    Check::Git,
    Check::Annex,
    Check::Place,
    Check::Room,
];

/// Looks at an address. Nothing is changed there. The connection comes with it: while it is kept, nobody has to log in again.
pub(crate) fn look(address: &SshAddress, hosts: &Hosts) -> (Looked, Option<Way>) {
    hosts.try_again(&address.host);
    let way = Way::to(address, None, hosts);
    let survey = way.as_ref().map_err(Clone::clone);
    let survey = survey.and_then(|way| way.survey(&address.path));
    let place = address.host.to_string();
    let question = hosts.questions().open(|asking| asking == place).into_iter().next();
    let looked = Looked {
        question: question.as_ref().map(login::in_words),
        ..told(address, survey, question.is_some())
    };
    (looked, way.ok())
}

fn told(address: &SshAddress, survey: Result<Option<Survey>, Failed>, is_asking: bool) -> Looked {
    let free = survey.as_ref().ok().and_then(|survey| survey.as_ref()?.free);
    let (found, there) = match survey {
        Err(_) if is_asking => (vec![(Check::Login, Verdict::Asking, String::new())], None),
        Err(failed) => (vec![why_not_connected(&address.host, failed)], None),
        Ok(None) => (Vec::new(), Some(There::Unknown)),
        Ok(Some(survey)) => surveyed(address, &survey),
    };
    let mut is_over = false;
    let checks = CHECKS.map(|check| {
        let finding = found.iter().find(|(found, ..)| *found == check);
        let (verdict, words) = match finding {
            Some((_, verdict, words)) => (*verdict, words.clone()),
            None if is_over => (Verdict::NotReached, String::new()),
            None => (Verdict::Passed, String::new()),
        };
        is_over |= matches!(verdict, Verdict::Failed | Verdict::Asking);
        Checked { check, verdict, words }
    });
    Looked {
        checks: checks.to_vec(),
        there: there.filter(|_| !is_over),
        free,
        question: None,
    }
}

/// What is to be told of a check.
type Finding = (Check, Verdict, String);

fn why_not_connected(host: &SshHost, failed: Failed) -> Finding {
    match failed {
        Failed::Away => {
            let why = format!("{host} does not answer. Is it on, and in this network?");
            (Check::Reach, Verdict::Failed, why)
        }
        Failed::Busy(why) | Failed::Full(why) | Failed::Refused(why) | Failed::Broken(why) => {
            (Check::Login, Verdict::Failed, why)
        }
    }
}

/// What did not pass, and what is there.
fn surveyed(address: &SshAddress, survey: &Survey) -> (Vec<Finding>, Option<There>) {
    let SshAddress { host, path, .. } = address;
    let mut found = Vec::new();
    let mut tell = |check, verdict, words: String| found.push((check, verdict, words));
    if !survey.has_git {
        let why = format!("git is not installed on {host}. Install it there, such as with 'sudo apt install git'.");
        tell(Check::Git, Verdict::Failed, why);
    }
    if !survey.has_shell {
        let why = format!(
            "{host} has neither git-annex nor Anabranch, so it can take the names and the history of the files, but not what is in them. Install one of them there, such as with 'sudo apt install git-annex'."
        );
        tell(Check::Annex, Verdict::Lacking, why);
    }
    let there = match survey.what {
        AtPath::Repository => Some(There::Repository),
        AtPath::Free => Some(There::Nothing),
        AtPath::Taken => {
            let why = format!("There is something at {path} already, and it is no repository. Choose another path.");
            tell(Check::Place, Verdict::Failed, why);
            None
        }
        AtPath::Closed => {
            let why = format!("You may not write to {path}. Choose another path.");
            tell(Check::Place, Verdict::Failed, why);
            None
        }
    };
    if survey.free.is_some_and(|free| free < LEAST_ROOM) {
        let why = format!("The disk of {host} is full. Make room there.");
        tell(Check::Room, Verdict::Failed, why);
    }
    (found, there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_after_one_that_failed_are_not_reached() {
        let address = SshAddress::parse("desk:photos").unwrap();
        let survey = Survey {
            has_git: true,
            has_shell: false,
            what: AtPath::Taken,
            free: Some(1 << 30),
        };
        let told = told(&address, Ok(Some(survey)), false);
        let verdicts: Vec<_> = told.checks.iter().map(|one| one.verdict).collect();
        use Verdict::{Failed, Lacking, NotReached, Passed};
        assert_eq!(verdicts, [Passed, Passed, Passed, Lacking, Failed, NotReached]);
        assert_eq!((told.there, told.free), (None, Some(1 << 30)));
        let away = super::told(&address, Err(remotes::Failed::Away), false);
        assert_eq!(away.checks[0].verdict, Failed);
        assert!(away.checks[1..].iter().all(|one| one.verdict == NotReached));
    }
}
