use std::collections::BTreeSet;
use std::io;

use super::*;

const EXAMPLE: &str = include_str!("../../../../deploy/seachange.toml");

/// A world of three variables and two files.
struct Made;

impl Surroundings for Made {
    fn env(&self, name: &str) -> Option<String> {
        match name {
            "PORT" => Some("9000".to_owned()),
            "HOOK" => Some("https://hooks.example/hunter2".to_owned()),
            "CREDENTIALS_DIRECTORY" => Some("/run/credentials/seachange.service".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &str) -> io::Result<String> {
        match path {
            "/etc/burst" => Ok("700\n".to_owned()),
            "/run/credentials/seachange.service/hook" => Ok("secret-hook\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, "s.toml", &Made)
}

fn errors(text: &str) -> Vec<String> {
    parse(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

/// The example with each `#name = value` said; with `but_not_examples`, only those that say a default.
fn uncommented(but_not_examples: bool) -> String {
    let mut out = String::new();
    let mut before = "";
    for line in EXAMPLE.lines() {
        let setting = line.strip_prefix('#').filter(|line| {
            line.split_once(" = ")
                .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        });
        let is_example = before.ends_with("No default:");
        let said = setting.filter(|_| !(but_not_examples && is_example));
        out.push_str(said.unwrap_or(line));
        out.push('\n');
        before = line;
    }
    out
}

#[test]
fn the_example_as_it_is_says_nothing_but_the_defaults() {
    assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn what_the_example_calls_a_default_is_the_default() {
    let text = uncommented(true);
    assert_eq!(parse(&text).unwrap_or_else(|e| panic!("{e}")), Config::default());
}

#[test]
fn the_example_shows_every_setting_and_each_of_its_lines_is_valid() {
    let text = uncommented(false);
    parse(&text).unwrap_or_else(|e| panic!("{e}"));
    let table: toml::Table = text.parse().unwrap();
    for (section, settings) in &table {
        // A wrong name is answered with all the right ones.
        let wrong = errors(&format!("[{section}]\nqqqqqqqqqqqqqqq = 1"));
        let (_, known) = wrong[0].split_once("it has: ").unwrap();
        let known: BTreeSet<&str> = known.split(", ").collect();
        let shown: BTreeSet<&str> =
            settings.as_table().unwrap().keys().map(String::as_str).collect();
        assert_eq!(shown, known, "[{section}]");
    }
    let wrong = errors("qqqqqqqqqqqqqqq = 1");
    for section in wrong[0].split_once("it has: ").unwrap().1.split(", ") {
        assert!(table.contains_key(section) || section == "alerts", "[{section}] is not shown");
    }
}

#[test]
fn the_alerts_of_the_example_are_understood_once_they_are_said() {
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        text.push_str(line.strip_prefix("#   ").unwrap_or(line));
        text.push('\n');
    }
    let text = text.replace("DINGTALK_URL", "HOOK");
    let config = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    let alerts: crate::alerts::Config = config.alerts.unwrap().read().unwrap();
    assert_eq!((alerts.rules.len(), alerts.channels.len()), (2, 1));
    crate::alerts::Rules::new(&alerts).unwrap();
}

#[test]
fn the_manual_names_every_setting_and_its_default() {
    let manual = include_str!("../../../../docs/daemon.md");
    let (all, defaults) = (uncommented(false), uncommented(true));
    let (all, defaults): (toml::Table, toml::Table) =
        (all.parse().unwrap(), defaults.parse().unwrap());
    for (section, settings) in &all {
        for (name, _) in settings.as_table().unwrap() {
            let row =
                manual.lines().find(|line| line.starts_with(&format!("| `{section}.{name}` |")));
            let row = row.unwrap_or_else(|| panic!("`{section}.{name}` is not in the manual"));
            if let Some(default) = defaults.get(section).and_then(|s| s.get(name)) {
                assert!(row.contains(&format!("| `{default}` |")), "{row}: not {default}");
            }
        }
    }
}

#[test]
fn every_mistake_is_told_at_once_each_with_its_place_and_the_nearest_name() {
    let text = "\
[server]
lissten = \"127.0.0.1:8083\"
hosts = \"cdc.example\"

[jobs]
threads = 0
stop_within = \"2 fortnights\"

[limit]
burst = 1

[state]
url = \"ftp://x\"
";
    let errors = errors(text);
    let starts = [
        "s.toml:2:1: [server] has no setting `lissten`; did you mean `listen`?",
        "s.toml:3:9: `hosts` in [server]: expected a list of names",
        "s.toml:6:11: `threads` in [jobs]: expected a whole number from 1 to 64, found the number 0",
        "s.toml:7:15: `stop_within` in [jobs]: expected a duration from \"1s\" to \"1h\", found \"2 f",
        "s.toml:9:2: there is no section `[limit]`; did you mean `limits`?",
        "s.toml:13:7: `url` in [state]: `ftp://` is no place for state",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}\nis not\n{start}");
    }
}

#[test]
fn slips_in_the_syntax_are_told_with_their_place() {
    let errors = errors("[server]\nlisten = \n[jobs\n");
    assert!(errors[0].starts_with("s.toml:2:"), "{errors:?}");
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_name() {
    let error = Config::read(Path::new("/nowhere.toml"), &Made).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere.toml: the configuration cannot be read"), "{error}");
}

#[test]
fn variables_files_and_credentials_stand_for_what_they_hold() {
    let config = parse(
        "[server]\nlisten = \"127.0.0.1:${env:PORT}\"\n\
         tls_cert = \"credential:cert.pem\"\ntls_key = \"/etc/tls/key.pem\"\n\
         [limits]\nburst = \"${file:/etc/burst}\"\nconnections = 7\n",
    )
    .unwrap();
    assert_eq!(config.server.listen.port(), 9000);
    assert_eq!(config.limits.burst, 700);
    let tls = config.server.tls.unwrap();
    assert_eq!(tls.cert, Path::new("/run/credentials/seachange.service/cert.pem"));

    let errors = errors(
        "[server]\nlisten = \"${env:NOT}\"\n[state]\ndir = \"${file:/not}\"\n\
         work_dir = \"${secret:x}\"\n[limits]\nburst = \"12\"\n",
    );
    assert_eq!(errors.len(), 4, "{errors:#?}");
    assert!(errors[0].contains("environment variable `NOT` is not set"), "{errors:#?}");
    assert!(errors[1].contains("file `/not` cannot be read"), "{errors:#?}");
    assert!(errors[2].contains("`${secret:x}` is no reference"), "{errors:#?}");
    assert!(errors[3].contains("expected a whole number"), "{errors:#?}");
}

#[test]
fn a_certificate_needs_its_key() {
    assert!(errors("[server]\ntls_cert = \"a\"")[0].contains("needs `tls_key`"));
    assert!(errors("[server]\ntls_key = \"a\"")[0].contains("needs `tls_cert`"));
}

#[test]
fn alerts_are_handed_on_with_their_references_and_never_shown() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Told {
        webhooks: Vec<Hook>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Hook {
        url: String,
        header: String,
        #[serde(default)]
        repeat: u32,
    }
    let text = "[alerts]\n[[alerts.webhooks]]\nurl = \"${env:HOOK}\"\n\
                header = \"Bearer ${credential:hook}\"\nrepeat = 3\n";
    let config = parse(text).unwrap();
    let told: Told = config.alerts.as_ref().unwrap().read().unwrap();
    assert_eq!(told.webhooks[0].url, "https://hooks.example/hunter2");
    assert_eq!(told.webhooks[0].header, "Bearer secret-hook");
    assert_eq!(told.webhooks[0].repeat, 3);
    let shown = format!("{config} {config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("secret-hook"), "{shown}");
    assert!(shown.contains("repeat = 3"), "{shown}");

    let config = parse(&text.replace("repeat", "repaet")).unwrap();
    let error = config.alerts.unwrap().read::<Told>().unwrap_err().to_string();
    assert!(error.starts_with("s.toml:5:1: [alerts]: unknown field `repaet`"), "{error}");
}

#[test]
fn the_configurations_of_the_image_and_of_kubernetes_are_valid() {
    for text in [
        include_str!("../../../../deploy/container/seachange.toml"),
        include_str!("../../../../deploy/kubernetes/seachange.toml"),
    ] {
        parse(text).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn what_is_shown_of_a_configuration_reads_as_the_same_configuration() {
    let config = parse(&uncommented(false)).unwrap();
    assert_eq!(parse(&config.to_string()).unwrap_or_else(|e| panic!("{e}\n{config}")), config);
}
