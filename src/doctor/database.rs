//! The catalog: SQLite in the data directory, or PostgreSQL.

use super::check::Check;
use crate::archive::catalog::{self, CatalogError, PostgresError, Probed};
use crate::config::Config;
use crate::policy::catalog_address;

const AREA: &str = "database";
/// PostgreSQL 12.
const OLDEST: i64 = 120_000;

pub(super) fn examine(config: &Config) -> Vec<Check> {
    match catalog_address(config) {
        // The configuration's check tells it.
        Err(_) => Vec::new(),
        Ok(None) => vec![sqlite(catalog::look_through(&config.archive.data_dir))],
        Ok(Some(address)) => postgres(&address.to_string(), address.probe()),
    }
}

fn sqlite(found: Result<u64, CatalogError>) -> Check {
    const SUBJECT: &str = "catalog.sqlite";
    match found {
        Ok(count) => Check::ok(AREA, SUBJECT, format!("sound, {count} recordings")),
        Err(CatalogError::Missing) => Check::ok(AREA, SUBJECT, "is not there yet: the server makes it"),
        Err(CatalogError::Older { .. }) => {
            Check::ok(AREA, SUBJECT, "of an older siprec: the server brings it up at its start")
        }
        Err(why @ CatalogError::Damaged(_)) => {
            Check::failed(AREA, SUBJECT, why.to_string(), "stop the server and run siprec archive rebuild")
        }
        Err(why) => Check::failed(
            AREA,
            SUBJECT,
            why.to_string(),
            "run siprec doctor as the server's user, with its configuration",
        ),
    }
}

fn postgres(address: &str, probed: Result<Probed, PostgresError>) -> Vec<Check> {
    let subject = format!("PostgreSQL at {address}");
    let Probed { version, number, tls, is_utf8, schema, may_create } = match probed {
        Ok(probed) => probed,
        Err(why) => {
            let remedy =
                "calls are recorded without it, and found once it answers: start it, or correct metadata.connection";
            return vec![Check::failed(AREA, subject, why.to_string(), remedy)];
        }
    };
    let mut checks = vec![if number < OLDEST {
        Check::failed(AREA, &subject, format!("version {version}"), "siprec needs PostgreSQL 12 or newer")
    } else {
        Check::ok(AREA, &subject, format!("it answers, version {version}"))
    }];
    checks.push(match tls {
        Some(tls) => Check::ok(AREA, &subject, format!("spoken to by {tls}")),
        None => Check::warning(
            AREA,
            &subject,
            "spoken to in clear: names and numbers can be read on the way",
            "sslmode=verify-full in metadata.connection, unless it is on this machine",
        ),
    });
    if !is_utf8 {
        let remedy = "create one with ENCODING 'UTF8' and name it in metadata.connection";
        checks.push(Check::failed(AREA, &subject, "the database cannot keep every name: it is not in UTF-8", remedy));
    }
    checks.push(tables(&subject, schema, may_create));
    checks
}

fn tables(subject: &str, (found, known): (i64, i64), may_create: bool) -> Check {
    const REMEDY: &str = "let siprec's user own the database, or GRANT CREATE ON DATABASE ... TO it";
    let seen = match found {
        0 => "no tables yet: the server makes them".to_owned(),
        _ if found > known => {
            let seen = format!("tables of a newer siprec ({found}; this one knows {known})");
            return Check::failed(AREA, subject, seen, "run that version, or name another database");
        }
        _ if found == known => return Check::ok(AREA, subject, "its tables are of this version"),
        _ => format!("tables of version {found}: the server brings them to {known}"),
    };
    if may_create {
        Check::ok(AREA, subject, seen)
    } else {
        Check::failed(AREA, subject, format!("{seen}, which its user may not"), REMEDY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    fn probed() -> Probed {
        Probed {
            version: "15.4".into(),
            number: 150_004,
            tls: Some("TLSv1.3".into()),
            is_utf8: true,
            schema: (1, 1),
            may_create: true,
        }
    }

    fn worst(probed: Probed) -> super::super::Verdict {
        postgres("db:5432", Ok(probed)).into_iter().map(|check| check.verdict).max().unwrap()
    }

    #[test]
    fn a_server_is_judged_by_version_tls_encoding_and_tables() {
        assert_eq!(worst(probed()), Fine);
        assert_eq!(worst(Probed { number: 110_020, ..probed() }), Failed);
        assert_eq!(worst(Probed { tls: None, ..probed() }), Warning);
        assert_eq!(worst(Probed { is_utf8: false, ..probed() }), Failed);
        assert_eq!(worst(Probed { schema: (2, 1), ..probed() }), Failed);
        assert_eq!(worst(Probed { schema: (0, 1), ..probed() }), Fine);
        assert_eq!(worst(Probed { schema: (0, 1), may_create: false, ..probed() }), Failed);
        let down = PostgresError::Unreachable { address: "db:5432".into(), why: "refused".into() };
        assert!(matches!(&postgres("db:5432", Err(down))[..], [check] if check.verdict == Failed));
    }

    #[test]
    fn a_catalog_that_is_damaged_fails_and_none_is_fine() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(sqlite(catalog::look_through(data.path())).verdict, Fine);
        drop(catalog::Catalog::open(data.path()).unwrap());
        assert_eq!(sqlite(catalog::look_through(data.path())).seen, "sound, 0 recordings");
        let path = data.path().join(catalog::FILE);
        let mut octets = std::fs::read(&path).unwrap();
        octets.iter_mut().skip(4096).for_each(|octet| *octet = 0x5e);
        std::fs::write(&path, octets).unwrap();
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(data.path().join(format!("{}{end}", catalog::FILE)));
        }
        let check = sqlite(catalog::look_through(data.path()));
        assert!(check.verdict == Failed && check.remedy.as_deref().unwrap().contains("rebuild"), "{check:?}");
    }
}
