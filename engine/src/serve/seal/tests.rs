use std::os::unix::fs::PermissionsExt as _;

use super::*;

const SCRIPT: &[u8] = b"EXECUTE CDCSOURCE a WITH ('password' = 'hunter2')";

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn own(dir: &tempfile::TempDir) -> Sealer {
    Sealer::open(&KeySource::Own(dir.path().join("seal.key"))).unwrap()
}

#[test]
fn a_script_comes_back_as_it_was_and_is_nowhere_to_be_read() {
    let dir = dir();
    let sealer = own(&dir);
    let sealed = sealer.seal(SCRIPT, b"emp/1").unwrap();
    assert!(!sealed.windows(7).any(|bytes| bytes == b"hunter2"));
    assert_eq!(sealer.unseal(&sealed, b"emp/1").unwrap(), SCRIPT);
    assert_eq!(sealer.unseal(&sealer.seal(b"", b"").unwrap(), b"").unwrap(), b"");
    assert_ne!(sealed, sealer.seal(SCRIPT, b"emp/1").unwrap(), "each has a nonce of its own");
}

#[test]
fn the_key_is_made_once_for_its_owner_alone_and_found_again() {
    let dir = dir();
    let sealed = own(&dir).seal(SCRIPT, b"emp/1").unwrap();
    assert_eq!(own(&dir).unseal(&sealed, b"emp/1").unwrap(), SCRIPT);
    let mode = fs::metadata(dir.path().join("seal.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_text_that_was_changed_cut_or_moved_to_another_place_is_refused() {
    let dir = dir();
    let sealer = own(&dir);
    let sealed = sealer.seal(SCRIPT, b"emp/1").unwrap();
    assert_eq!(sealer.unseal(&sealed, b"emp/2"), Err(SealError::Damaged));
    for end in 0..sealed.len() {
        assert_eq!(sealer.unseal(&sealed[..end], b"emp/1"), Err(SealError::Damaged), "{end}");
    }
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(sealer.unseal(&changed, b"emp/1").is_err(), "{at}");
    }
}

#[test]
fn another_key_is_told_from_damage_and_the_error_says_what_to_do() {
    let (dir, other) = (dir(), dir());
    let (sealer, stranger) = (own(&dir), own(&other));
    let sealed = sealer.seal(SCRIPT, b"emp/1").unwrap();
    let error = stranger.unseal(&sealed, b"emp/1").unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, SealError::OtherKey { .. }), "{text}");
    assert!(text.contains(&sealer.key_id().to_string()), "{text}");
    assert!(text.contains(&stranger.key_id().to_string()), "{text}");
    assert!(text.contains("put the former key back"), "{text}");

    let mut newer = sealed;
    newer[0] = VERSION + 1;
    assert_eq!(sealer.unseal(&newer, b"emp/1"), Err(SealError::Newer(VERSION + 1)));
}

#[test]
fn a_given_key_may_be_bytes_or_base64_and_is_never_made() {
    let dir = dir();
    let path = dir.path().join("given");
    let given = KeySource::Given(path.clone());
    assert!(matches!(Sealer::open(&given), Err(KeyError::Missing(_))));
    let write = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        let opened = Sealer::open(&given);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        opened
    };
    let raw = write(&[7; 32]).unwrap();
    let text = write(format!("{}\n", STANDARD.encode([7; 32])).as_bytes()).unwrap();
    assert_eq!(raw.key_id(), text.key_id());
    for wrong in [&b""[..], &[7; 31], &[7; 33], &[7; 4096], b"not a key at all"] {
        assert!(matches!(write(wrong), Err(KeyError::NotAKey(_))), "{wrong:?}");
    }
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let dir = dir();
    let path = dir.path().join("seal.key");
    own(&dir);
    for mode in [0o644, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = Sealer::open(&KeySource::Own(path.clone())).unwrap_err();
        assert!(matches!(error, KeyError::Open { .. }), "{error}");
    }
}

#[test]
fn nothing_that_is_printed_of_a_sealer_is_its_key() {
    let dir = dir();
    let sealer = own(&dir);
    let key = fs::read_to_string(dir.path().join("seal.key")).unwrap();
    assert!(!format!("{sealer:?}").contains(key.trim()));
}
