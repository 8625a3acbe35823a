//! Whose TLS it is: SIP's (`server.tls`) or the API's (`api.tls`). Handshakes and files are the same; names of keys are not.

use super::reason;

/// A section of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    name: &'static str,
    /// Where a certificate is named that is to be let in.
    pins: &'static str,
    /// What is spoken above TLS, the preferred first (RFC 7301).
    pub(super) protocols: &'static [&'static [u8]],
}

/// `server.tls`.
pub(super) const SIP: Section = Section { name: "server.tls", pins: "server.tls.pins", protocols: &[] };
/// `api.tls`.
pub(super) const API: Section =
    Section { name: "api.tls", pins: "a row of auth.certificates (fingerprint)", protocols: &[b"h2", b"http/1.1"] };

impl Section {
    /// As it is called in the configuration.
    pub(super) fn name(self) -> &'static str {
        self.name
    }

    /// Messages are written in the words of `server.tls`; those about another section name its keys.
    pub(super) fn says(self, text: &str) -> String {
        text.replace(SIP.pins, self.pins).replace(SIP.name, self.name)
    }

    /// What somebody speaks who does not speak TLS.
    pub(super) fn not_tls(self, first: &[u8]) -> Option<&'static str> {
        let other = reason::not_tls(first)?;
        Some(if self.name == SIP.name { other } else { "what it sent is not TLS: ask by https://, not by http://" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_keys_of_its_section() {
        let text = "put its SHA-256 into server.tls.pins, or set server.tls.client_ca_file";
        assert_eq!(SIP.says(text), text);
        let said = API.says(text);
        assert_eq!(
            said,
            "put its SHA-256 into a row of auth.certificates (fingerprint), or set api.tls.client_ca_file"
        );
        assert!(
            API.not_tls(b"GET / HTTP/1.1\r\n").unwrap().contains("https://") && API.not_tls(&[0x16, 3, 1]).is_none()
        );
    }
}
