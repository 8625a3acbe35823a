//! Two stand-ins for Google Cloud Storage on ports of their own, for what moto's S3 does not have: generations of an object
//! (fake-gcs-server, which lists them and cannot delete those of before) and soft delete (gcp-storage-emulator, which keeps no
//! generations of before). Neither takes objects as Google's client puts them.

use std::path::PathBuf;

use super::files_below;
use super::objects::{Process, ask_with, start, tools};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Each generation of an object.
    Versions,
    /// What was deleted, for seven days.
    Deleted,
}

/// A server with a bucket `recs`.
#[derive(Debug)]
pub struct Google {
    port: u16,
    _process: Process,
}

impl Google {
    /// None where it is not installed and may be lacking.
    pub fn start_on(port: u16, keeping: Keeping) -> Option<Self> {
        let number = port.to_string();
        let process = match keeping {
            Keeping::Versions => {
                let args = ["-scheme", "http", "-host", "127.0.0.1", "-port", &number, "-backend", "memory"];
                start(fake_gcs_server(), &args, port)?
            }
            Keeping::Deleted => {
                let args = ["start", "--host", "127.0.0.1", "--port", &number, "--in-memory", "--quiet"];
                start("python/bin/gcp-storage-emulator", &args, port)?
            }
        };
        let google = Self { port, _process: process };
        let bucket = br#"{"name": "recs", "versioning": {"enabled": true}}"#;
        let made = ask_with(port, "POST", "/storage/v1/b?project=p", &[JSON], bucket);
        assert_eq!(made.status, 200, "{}", made.text());
        Some(google)
    }

    /// Stores an object, over one that is there.
    pub fn put(&self, key: &str, content: &[u8]) {
        let path = format!("/upload/storage/v1/b/recs/o?uploadType=media&name={}", key.replace('/', "%2F"));
        let put = ask_with(self.port, "POST", &path, &[("Content-Type", "audio/wav")], content);
        assert_eq!(put.status, 200, "{}", put.text());
    }

    /// Names of the objects that are there, one for each generation.
    pub fn generations(&self) -> Vec<String> {
        self.list("versions")
    }

    /// Names of those that were deleted and are kept.
    pub fn deleted(&self) -> Vec<String> {
        self.list("softDeleted")
    }

    fn list(&self, which: &str) -> Vec<String> {
        let listed = ask_with(self.port, "GET", &format!("/storage/v1/b/recs/o?{which}=true"), &[], b"");
        assert_eq!(listed.status, 200, "{}", listed.text());
        let listed: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
        let items = listed["items"].as_array().into_iter().flatten();
        items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Its wheel has the program in a folder of its own.
fn fake_gcs_server() -> PathBuf {
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name == "fake-gcs-server-linux-amd64");
    files_below(&tools().join("python/lib")).into_iter().find(named).unwrap_or_else(|| "fake-gcs-server".into())
}
