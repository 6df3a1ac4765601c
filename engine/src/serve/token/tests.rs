use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use chrono::DateTime;

use super::*;

struct Place {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    Place { path: dir.path().join("tokens.toml"), _dir: dir }
}

impl Place {
    fn add(&self, name: &str, role: Role) -> String {
        let at = "2026-01-31T12:00:00Z".parse().unwrap();
        add(&self.path, name, role, at).unwrap().reveal().to_owned()
    }
}

#[test]
fn a_token_is_its_bearers_and_no_other_text_is() {
    let place = place();
    let (ops, eye) = (place.add("ops", Role::Operator), place.add("eye", Role::Viewer));
    assert!(ops.starts_with(PREFIX) && ops.len() == PREFIX.len() + 43, "{ops}");
    let known = Tokens::open(&place.path).unwrap().now();
    assert_eq!(known.bearer(&ops), Some(("ops", Role::Operator)));
    assert_eq!(known.bearer(&eye), Some(("eye", Role::Viewer)));
    let cut = &ops[..ops.len() - 1];
    let long = ops.repeat(100);
    for wrong in ["", "sct_", cut, &long, &ops.to_lowercase(), &format!("{ops} ")] {
        assert_eq!(known.bearer(wrong), None, "{wrong}");
    }
    let hash = Hash::of(&ops).to_string();
    assert_eq!(known.bearer(&hash), None, "what the file holds is no token");
}

#[test]
fn the_file_is_for_its_owner_alone_and_holds_no_token() {
    let place = place();
    let token = place.add("ops", Role::Operator);
    let text = fs::read_to_string(&place.path).unwrap();
    assert!(!text.contains(&token[PREFIX.len()..]), "{text}");
    assert!(text.contains("name = \"ops\"") && text.contains("2026-01-31T12:00:00Z"), "{text}");
    assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_token_that_was_revoked_is_refused_at_once() {
    let place = place();
    let (ops, eye) = (place.add("ops", Role::Operator), place.add("eye", Role::Viewer));
    let tokens = Tokens::open(&place.path).unwrap();
    assert!(tokens.now().bearer(&ops).is_some());
    remove(&place.path, "ops").unwrap();
    assert_eq!(tokens.now().bearer(&ops), None);
    assert!(tokens.now().bearer(&eye).is_some());
    let new = place.add("new", Role::Viewer);
    assert!(tokens.now().bearer(&new).is_some(), "and a new one is known at once");
}

#[test]
fn once_there_were_tokens_a_daemon_never_goes_on_without_any() {
    let place = place();
    let tokens = Tokens::open(&place.path).unwrap();
    assert!(!tokens.now().are_asked, "no file: nothing is asked");
    let ops = place.add("ops", Role::Operator);
    assert!(tokens.now().are_asked);

    remove(&place.path, "ops").unwrap();
    assert!(tokens.now().are_asked && tokens.now().bearer(&ops).is_none());
    assert!(Tokens::open(&place.path).unwrap().now().are_asked, "nor the next one");

    fs::remove_file(&place.path).unwrap();
    assert!(tokens.now().are_asked && tokens.now().bearer(&ops).is_none());
}

#[test]
fn a_file_that_was_damaged_changes_nothing_until_it_is_mended() {
    let place = place();
    let ops = place.add("ops", Role::Operator);
    let tokens = Tokens::open(&place.path).unwrap();
    let good = fs::read_to_string(&place.path).unwrap();
    fs::write(&place.path, "[[token]]\nname = ").unwrap();
    assert!(tokens.now().bearer(&ops).is_some());
    assert!(Tokens::open(&place.path).is_err(), "a start refuses it");
    fs::write(&place.path, good.replace("operator", "viewer")).unwrap();
    assert_eq!(tokens.now().bearer(&ops), Some(("ops", Role::Viewer)));
}

#[test]
fn a_file_that_others_may_write_to_is_refused() {
    let place = place();
    place.add("ops", Role::Operator);
    for (mode, fits) in
        [(0o600, true), (0o440, true), (0o644, true), (0o660, false), (0o602, false)]
    {
        fs::set_permissions(&place.path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Tokens::open(&place.path).is_ok(), fits, "{mode:o}");
    }
}

#[test]
fn names_are_taken_once_and_are_names() {
    let place = place();
    place.add("ops", Role::Operator);
    let add = |name: &str| add(&place.path, name, Role::Viewer, DateTime::default());
    assert!(matches!(add("ops"), Err(TokenError::Taken(_))));
    for wrong in ["", "-", "a b", "a\nb", "ä", &"a".repeat(65)] {
        assert!(matches!(add(wrong), Err(TokenError::BadName(_))), "{wrong}");
    }
    assert!(matches!(remove(&place.path, "eye"), Err(TokenError::Unknown { .. })));
    assert_eq!(list(&place.path).unwrap().len(), 1);
    assert!(list(Path::new("/nowhere/tokens.toml")).unwrap().is_empty());
}

#[test]
fn commands_at_once_lose_no_token() {
    let place = place();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for n in 0..5 {
                    place.add(&format!("t{thread}-{n}"), Role::Viewer);
                }
            });
        }
    });
    assert_eq!(list(&place.path).unwrap().len(), 20);
}

#[test]
fn no_token_is_printed_by_accident() {
    let token = Token::make().unwrap();
    assert!(!format!("{token:?}").contains(token.reveal()));
}
