use super::*;
use crate::{Authorship, authorship};
use proptest::prelude::*;

const SID: &str = "S-1-5-21-3623811015-3361044348-30300820-1013";

fn made(folder: &str) -> String {
    let launcher = PathBuf::from(format!("{folder}\\{LAUNCHER}"));
    let log_file = PathBuf::from(format!("{folder}\\mcp-refreshd.log"));
    Definition { user: SID, launcher: &launcher, log_file: &log_file, folder: Path::new(folder) }
        .stamped()
        .unwrap()
}

#[test]
fn the_task_is_for_this_users_logon_without_administrator_limits_or_batteries() {
    let text = made(r"C:\Users\me\bin");
    let trigger = text.split_once("<LogonTrigger>").unwrap().1.split_once("</LogonTrigger>").unwrap().0;
    assert!(trigger.contains(&format!("<UserId>{SID}</UserId>")), "{trigger}");
    for (name, value) in [
        ("LogonType", "InteractiveToken"),
        ("RunLevel", "LeastPrivilege"),
        ("MultipleInstancesPolicy", "IgnoreNew"),
        ("ExecutionTimeLimit", "PT0S"),
        ("DisallowStartIfOnBatteries", "false"),
        ("StopIfGoingOnBatteries", "false"),
        ("StopOnIdleEnd", "false"),
        ("Interval", "PT1M"),
        ("Command", r"C:\Users\me\bin\mcp-refreshdw.exe"),
        ("Arguments", r#"run --log-file "C:\Users\me\bin\mcp-refreshd.log""#),
        ("WorkingDirectory", r"C:\Users\me\bin"),
    ] {
        assert_eq!(element(&text, name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn any_path_comes_back_as_it_went_in() {
    for folder in [
        r"C:\Users\me",
        r"C:\Users\Zoë Ö\my <tools> & 'more'",
        r"D:\--> ]]> 100%\𝔘ñí",
        r"\\server\share\&amp;",
        r"\\?\C:\a",
    ] {
        let text = made(folder);
        assert!(text.is_ascii() && text.starts_with("<?xml version=\"1.0\"?>\n<!-- `mcp"), "{text}");
        assert_eq!(program(&text), Some(PathBuf::from(format!("{folder}\\{PROGRAM}"))));
        assert_eq!(element(&text, "WorkingDirectory").as_deref(), Some(folder));
        assert_eq!(user(&text).as_deref(), Some(SID));
        assert_eq!(authorship(&text), Authorship::Ours);
        assert_eq!(authorship(&text.replace("PT1M", "PT2M")), Authorship::Edited);
    }
}

#[test]
fn what_the_task_scheduler_would_replace_is_refused() {
    for folder in [r"C:\%TEMP%\x", r"C:\$(Arg0)"] {
        let folder = Path::new(folder);
        let made = Definition { user: SID, launcher: folder, log_file: Path::new("l"), folder };
        let refused = made.stamped().unwrap_err().to_string();
        assert!(refused.contains("for variables") && refused.contains("move"), "{refused}");
    }
}

#[test]
fn an_argument_keeps_its_quotes_and_backslashes() {
    assert_eq!(argument(r"C:\a b\"), r#""C:\a b\\""#);
    assert_eq!(argument(r#"say "hi""#), r#""say \"hi\"""#);
    assert_eq!(argument(r#"\\"x\y"#), r#""\\\\\"x\y""#);
    assert_eq!(argument(""), r#""""#);
}

#[test]
fn each_user_has_a_task_of_their_own() {
    assert_eq!(task_name(SID), format!("mcp-refreshd-{SID}"));
    assert_eq!(task_name(r"VM\Jürgen Ö/x"), "mcp-refreshd-VM-Jürgen-Ö-x");
}

#[test]
fn a_definition_with_another_program_is_the_users_own() {
    let text = made(r"C:\bin").replace("mcp-refreshdw.exe", "wrapper.exe");
    assert_eq!(program(&text), Some(PathBuf::from(r"C:\bin\wrapper.exe")));
    for odd in [
        "",
        "<Command>",
        "<Command>&bad;</Command>",
        "<Command>&#x110000;</Command>",
        "<Command>a & b</Command>",
    ] {
        assert_eq!(program(odd), None, "{odd}");
        assert_eq!(user(odd), None);
    }
}

proptest! {
    #[test]
    fn every_text_survives_an_element(text in "\\PC*") {
        let xml = format!("<a>{}</a>", escaped(&text));
        prop_assert!(xml.is_ascii());
        prop_assert_eq!(element(&xml, "a").unwrap(), text.trim_matches(' '), "of white space, only that of XML is trimmed");
    }

    #[test]
    fn no_definition_breaks_the_reader(text: String) {
        drop(program(&text));
        drop(user(&format!("<UserId>{text}</UserId>")));
    }
}
