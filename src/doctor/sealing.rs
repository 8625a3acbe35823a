//! The master key of sealed recordings: whether it can be had, and is the data directory's.

use super::check::Check;
use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::sealed::{self, Standing};
use crate::config::Config;
use crate::sealing::master_keys;

const AREA: &str = "sealing";

pub(super) fn examine(config: &Config) -> Vec<Check> {
    let (seal, data) = (&config.archive.seal, &config.archive.data_dir);
    let masters = match master_keys(seal) {
        Ok(masters) => masters,
        Err(error) => {
            let remedy = "give it back: without it nothing that is sealed can be opened, and the server does not start";
            return vec![Check::failed(AREA, "master key", format!("{error:#}"), remedy)];
        }
    };
    let Some(current) = masters.current() else {
        let has_sealed = RealDisk.exists(&data.join(sealed::FILE)).unwrap_or(false);
        return vec![none(has_sealed)];
    };
    let id = current.id().to_string();
    vec![judge(&id, seal.enabled, sealed::standing(&RealDisk, data, &masters).map_err(|error| format!("{error:#}")))]
}

fn none(has_sealed: bool) -> Check {
    if has_sealed {
        return Check::warning(
            AREA,
            "master key",
            "none is set, and files here are sealed: they stay so",
            "set archive.seal.master_key_file, with enabled: false if nothing more is to be sealed",
        );
    }
    Check::ok(AREA, "master key", "none is set, and nothing here is sealed")
}

fn judge(id: &str, enabled: bool, standing: Result<Standing, String>) -> Check {
    let subject = format!("master key {id}");
    let seals = if enabled { "what is new is sealed" } else { "nothing more is sealed (archive.seal.enabled)" };
    match standing {
        Ok(Standing::Unsealed) => Check::ok(AREA, subject, format!("can be had; nothing was sealed here yet; {seals}")),
        Ok(Standing::Current) => Check::ok(AREA, subject, format!("is the data directory's; {seals}")),
        Ok(Standing::Previous) => Check::warning(
            AREA,
            subject,
            "keys here are still wrapped by a master key of before",
            "run siprec archive rewrap, then take that key out of archive.seal.previous_keys",
        ),
        Err(why) => {
            Check::failed(AREA, subject, why, "give back the master key that this data directory was sealed with")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    fn examined(config: &Config) -> Check {
        examine(config).remove(0)
    }

    #[test]
    fn a_key_that_is_none_another_or_old_is_told() {
        let data = tempfile::tempdir().unwrap();
        let key = |digit: &str| -> Option<Secret> { digit.repeat(64).parse().ok() };
        let mut config = Config::default();
        config.archive.data_dir = data.path().to_owned();
        assert_eq!(examined(&config).verdict, Fine);
        config.archive.seal.enabled = true;
        config.archive.seal.master_key = "abc".parse().ok();
        assert_eq!(examined(&config).verdict, Failed);
        config.archive.seal.master_key = key("5");
        assert_eq!(examined(&config).verdict, Fine);
        sealed::stand(data.path(), &master_keys(&config.archive.seal).unwrap()).unwrap();
        assert!(examined(&config).seen.starts_with("is the data directory's"));
        config.archive.seal.master_key = key("6");
        assert_eq!(examined(&config).verdict, Failed);
        config.archive.seal.previous_keys = key("5").into_iter().collect();
        assert_eq!(examined(&config).verdict, Warning);
        config.archive.seal = crate::config::SealConfig::default();
        assert_eq!(examined(&config).verdict, Warning);
    }
}
