use super::*;

fn server(pairs: &[(&str, &str)]) -> Server {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Server::from_variables(pairs.iter().map(own).collect()).unwrap()
}

#[test]
fn the_flavour_and_version_are_read_from_what_the_server_says() {
    let maria = server(&[
        ("version", "10.11.19-MariaDB-0+deb12u1-log"),
        ("server_id", "7"),
        ("hostname", "h"),
        ("port", "3306"),
    ]);
    assert!(maria.is_mariadb() && maria.gtids);
    assert_eq!(maria.version, (10, 11, 19));
    assert_eq!((&*maria.server_uuid, &*maria.identity), ("", "h:3306 (server id 7)"));
    let old = server(&[("version", "5.6.24-log"), ("server_id", "1"), ("gtid_mode", "OFF")]);
    assert!(!old.is_mariadb() && !old.gtids);
}

#[test]
fn gtids_count_only_when_every_transaction_has_one() {
    let with = |mode| server(&[("version", "8.0.36"), ("server_id", "1"), ("gtid_mode", mode)]);
    assert!(with("ON").gtids);
    assert!(!with("ON_PERMISSIVE").gtids && !with("OFF_PERMISSIVE").gtids);
}

#[test]
fn owners_are_cut_from_the_gtids_in_flight() {
    let u = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let owned = parse_owned(&format!("{u}:23#5:24#6,{u}:blue:7#9")).unwrap();
    assert_eq!(owned.to_string(), format!("{u}:23-24,{u}:blue:7"));
    assert!(parse_owned("").unwrap().is_empty());
    assert!(parse_owned("nonsense").is_err());
}

#[test]
fn a_version_without_numbers_is_an_error() {
    let bad = [("version".to_owned(), "unknown".to_owned())];
    assert!(Server::from_variables(bad.into_iter().collect()).is_err());
}
