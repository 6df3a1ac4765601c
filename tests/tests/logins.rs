//! The stream logs in as every other connection does: by each plugin, in each mode of TLS.

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::Queryable;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tests::server::on_servers;
use tests::stage::TABLE;
use tests::{Kind, Script, Server, Stage};

/// An authority, and what it vouches for: the server by its address, and a client.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn make() -> Result<Self> {
        let certificates = Self { dir: tempfile::tempdir()? };
        let (ours, pem) = authority("ours")?;
        certificates.write("ca.pem", &pem)?;
        certificates.write("other.pem", &authority("somebody else")?.1)?;
        for (name, host) in [("server", "127.0.0.1"), ("client", "client")] {
            let key = KeyPair::generate()?;
            let certificate = named(name, &[host])?.signed_by(&key, &ours)?;
            certificates.write(&format!("{name}.pem"), &certificate.pem())?;
            certificates.write(&format!("{name}.key"), &key.serialize_pem())?;
        }
        Ok(certificates)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.path(name), text).context(name.to_owned())
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn server_options(&self) -> [String; 3] {
        let option = |option: &str, name: &str| format!("--ssl-{option}={}", self.path(name));
        [option("ca", "ca.pem"), option("cert", "server.pem"), option("key", "server.key")]
    }
}

/// Names differ, or a server takes what an authority signs for signed by itself.
fn named(name: &str, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String)> {
    let mut params = named(name, &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

fn user(server: &Server, name: &str, more: &str) -> String {
    let (host, with) = match server.kind.software() {
        "mysql56" => ("localhost", "IDENTIFIED BY 'p w'"),
        "mariadb" => ("%", "IDENTIFIED VIA mysql_native_password USING PASSWORD('p w')"),
        _ => ("%", "IDENTIFIED WITH caching_sha2_password BY 'p w'"),
    };
    format!(
        "CREATE USER '{name}'@'{host}' {with} {more};\n\
         GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{name}'@'{host}'"
    )
}

/// Streams a row as this user, with these options.
async fn streams(server: &Server, user: &str, options: &[(&str, &str)]) -> Result<()> {
    let change = |script: Script| {
        let script = script.option("username", user).option("password", "p w");
        options.iter().fold(script, |script, (key, value)| script.option(key, value))
    };
    let told = || format!("as {user} with {options:?}");
    let mut stage = Stage::with(server, TABLE, change).await.with_context(told)?;
    stage.row(1).await.with_context(told)?;
    stage.job.sigterm().await?;
    server.sql("DROP DATABASE d;\nDROP DATABASE o").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_logs_in_by_the_users_plugin_in_plain_text() -> Result<()> {
    on_servers(&Kind::SOFTWARE, &[], async |server| {
        server.sql(&user(server, "plain", "")).await?;
        streams(server, "plain", &[("source.ssl.mode", "disabled")]).await?;
        streams(server, "plain", &[("source.ssl.mode", "preferred")]).await?;
        if server.kind.software() != "mysql9" {
            return Ok(());
        }
        // The server forgets whom it knows, so that each login is by the password itself, sealed.
        let mode = [("source.ssl.mode", "disabled")];
        let streams = streams(server, "plain", &mode);
        tokio::pin!(streams);
        let mut conn = server.conn().await?;
        loop {
            tokio::select! { biased;
                streamed = &mut streams => return streamed,
                forgot = conn.query_drop("FLUSH PRIVILEGES") => forgot?,
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_keeps_to_the_mode_of_tls() -> Result<()> {
    let certificates = Certificates::make()?;
    let options = certificates.server_options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let kinds = [Kind::MySql9Gtid, Kind::MariaDb];
    on_servers(&kinds, &options, async |server| {
        server.sql(&user(server, "secret", "REQUIRE SSL")).await?;
        server.sql(&user(server, "known", "REQUIRE X509")).await?;
        let (ca, other) = (certificates.path("ca.pem"), certificates.path("other.pem"));
        for mode in ["preferred", "required"] {
            streams(server, "secret", &[("source.ssl.mode", mode)]).await?;
        }
        for mode in ["verify-ca", "verify-identity"] {
            let with = |ca| [("source.ssl.mode", mode), ("source.ssl.ca", ca)];
            streams(server, "secret", &with(&ca)).await?;
            refused(server, &with(&other)).await?;
        }
        let (cert, key) = (certificates.path("client.pem"), certificates.path("client.key"));
        let own = [
            ("source.ssl.mode", "required"),
            ("source.ssl.cert", cert.as_str()),
            ("source.ssl.key", key.as_str()),
        ];
        streams(server, "known", &own).await
    })
    .await
}

/// No job begins whose server shows a certificate of somebody else.
async fn refused(server: &Server, options: &[(&str, &str)]) -> Result<()> {
    let job = tests::Job::new("refused")?;
    let script = Script::new("refused", server, "d", "t").print();
    let script = script.option("username", "secret").option("password", "p w");
    job.script(&options.iter().fold(script, |script, (key, value)| script.option(key, value)))?;
    let (code, out, err) = tests::job::seachange(job.dir(), &["check", "refused.sql"])?;
    ensure!(code != 0, "{options:?}: {out}{err}");
    let told = format!("{out}{err}");
    ensure!(told.contains("certificate"), "{options:?}: {told}");
    Ok(())
}
