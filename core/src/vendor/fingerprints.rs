//! The fingerprints: where a vendor shows, how, and how much a sign says.

use super::profile::Place::{
    Aor, Boundary, CallId, ContactUser, Element, FromParam, Header, Host, Namespace, Organization, Origin, RootPrefix,
    SessionId, SessionName, UserAgent,
};
use super::profile::Shape::{Begins, Contains, Is, Like, Present};
use super::profile::{Place, Shape};

/// A vendor, and how it is known.
pub(super) struct Vendor {
    /// What it is called in sidecars and catalog.
    pub(super) name: &'static str,
    /// Its product where no User-Agent says more.
    pub(super) product: &'static str,
    pub(super) signs: &'static [Sign],
}

/// One sign.
pub(super) struct Sign {
    pub(super) place: Place,
    pub(super) shape: Shape,
    /// How sure the sign alone makes, percent.
    pub(super) weight: u8,
    /// The product that it tells.
    pub(super) product: Option<&'static str>,
}

const fn sign(place: Place, shape: Shape, weight: u8) -> Sign {
    Sign { place, shape, weight, product: None }
}

const fn product(place: Place, shape: Shape, weight: u8, product: &'static str) -> Sign {
    Sign { place, shape, weight, product: Some(product) }
}

/// Where two vendors are equally likely, the one further up is named.
pub(super) const VENDORS: &[Vendor] = &[
    Vendor {
        name: "oracle",
        product: "Oracle SBC",
        signs: &[
            sign(ContactUser, Is("acmeSrc"), 90),
            sign(Namespace, Contains("acmepacket.com"), 90),
            sign(UserAgent, Contains("Acme Packet"), 90),
            sign(UserAgent, Contains("Oracle"), 70),
            sign(Boundary, Begins("unique-boundary-"), 40),
            sign(Element, Is("callingParty"), 15),
        ],
    },
    Vendor {
        name: "avaya",
        product: "Avaya SBCE",
        signs: &[
            product(Aor, Is("ASBCE@asbce.com"), 95, "Avaya SBCE"),
            sign(UserAgent, Begins("Avaya"), 90),
            sign(Header("X-Avaya-UCID"), Present, 80),
            sign(Header("User-to-User"), Begins("00FA08"), 55),
            sign(Header("User-to-User"), Begins("04FA08"), 55),
            sign(SessionId, Begins("00FA08"), 60),
            sign(Header("P-Charging-Vector"), Contains("AAS:"), 40),
            sign(Boundary, Is("foobar"), 20),
        ],
    },
    Vendor {
        name: "broadworks",
        product: "Cisco BroadWorks",
        signs: &[
            product(Host, Contains(".bcld.webex.com"), 95, "Webex Calling"),
            product(Aor, Contains(".bcld.webex.com"), 95, "Webex Calling"),
            sign(Namespace, Contains("schema.broadsoft.com"), 95),
            sign(Element, Is("broadWorksRecordingMetadata"), 95),
            sign(Header("X-BroadWorks-Correlation-Info"), Present, 90),
            sign(UserAgent, Contains("BroadWorks"), 90),
            sign(Boundary, Is("UniqueBroadWorksBoundary"), 95),
            sign(Origin, Is("BroadWorks"), 90),
            sign(Header("Accept"), Contains("x-broadworks-call-center+xml"), 80),
            sign(Namespace, Begins("urn:ietf:params:xml:ns:siprec"), 40),
            sign(CallId, Like("BWDDDDDDDDD*"), 60),
        ],
    },
    Vendor {
        name: "metaswitch",
        product: "Metaswitch CFS",
        signs: &[
            sign(Organization, Contains("Metaswitch"), 95),
            sign(UserAgent, Contains("Metaswitch"), 90),
            sign(Boundary, Contains("metaswitch-boundary"), 95),
            sign(Element, Is("metaswitchRecordingMetadata"), 95),
        ],
    },
    Vendor {
        name: "cisco",
        product: "Cisco CUBE",
        signs: &[
            product(Header("X-Cisco-Recording-Participant"), Present, 90, "Cisco CUBE (network-based recording)"),
            product(FromParam("x-nearend"), Present, 80, "Cisco UCM (built-in bridge)"),
            product(FromParam("x-farend"), Present, 80, "Cisco UCM (built-in bridge)"),
            product(FromParam("x-refci"), Present, 80, "Cisco UCM (built-in bridge)"),
            product(UserAgent, Begins("Cisco-CUCM"), 90, "Cisco UCM"),
            sign(UserAgent, Begins("Cisco-SIP"), 90),
            sign(UserAgent, Begins("Cisco"), 80),
            sign(Origin, Begins("CiscoSystemsSIP-GW"), 90),
            product(Origin, Begins("CiscoSystemsCCM"), 90, "Cisco UCM"),
            sign(Header("Cisco-Guid"), Present, 60),
            sign(CallId, Like("HHHHHHHH-HHHHHHHH-HHHHHHHH-HHHHHHHH@*"), 40),
            sign(Boundary, Is("uniqueBoundary"), 30),
        ],
    },
    Vendor {
        name: "audiocodes",
        product: "AudioCodes Mediant",
        signs: &[
            sign(UserAgent, Begins("Mediant"), 90),
            sign(UserAgent, Contains("AudioCodes"), 90),
            sign(Origin, Is("AudiocodesGW"), 90),
            sign(Namespace, Is("http://AudioCodes"), 50),
            sign(Element, Is("AvayaUCID"), 40),
            sign(Element, Is("GenesysUUID"), 40),
            sign(Boundary, Begins("boundary_ac"), 40),
        ],
    },
    Vendor {
        name: "ribbon",
        product: "Ribbon SBC",
        signs: &[
            sign(Origin, Begins("Sonus_UAC"), 95),
            sign(UserAgent, Contains("Sonus"), 90),
            sign(UserAgent, Contains("Ribbon"), 90),
            sign(Boundary, Is("sonus-content-delim"), 95),
            sign(Namespace, Is("urn:ietf:params:xml:ns:callData"), 40),
            sign(RootPrefix, Is("tns"), 15),
        ],
    },
    Vendor {
        name: "opensips",
        product: "OpenSIPS",
        signs: &[
            sign(UserAgent, Contains("OpenSIPS"), 95),
            sign(Boundary, Begins("OSS-unique-boundary"), 90),
            sign(CallId, Like("B2B.D*"), 60),
        ],
    },
    Vendor {
        name: "sems",
        product: "SEMS",
        signs: &[
            sign(Origin, Is("sems"), 80),
            sign(SessionName, Is("sems"), 60),
            sign(UserAgent, Contains("SEMS"), 60),
            sign(UserAgent, Contains("Sip Express Media Server"), 90),
        ],
    },
    Vendor {
        name: "netsapiens",
        product: "NetSapiens SiPBx",
        signs: &[
            sign(Element, Is("netsapiensExtension"), 95),
            sign(Namespace, Contains("schema.netsapiens.com"), 95),
            sign(UserAgent, Contains("NetSapiens"), 90),
        ],
    },
    Vendor {
        name: "jambonz",
        product: "jambonz",
        signs: &[
            sign(Namespace, Contains("jambonz.org"), 95),
            sign(UserAgent, Contains("jambonz"), 90),
            // One fixed boundary in its second dialect, which else is AudioCodes'.
            sign(Boundary, Is("boundary_ac18f3"), 85),
        ],
    },
    Vendor {
        name: "phrsite",
        product: "PhrSite NG9-1-1",
        signs: &[sign(UserAgent, Contains("PhrSite"), 95), sign(Organization, Contains("PhrSite"), 90)],
    },
    Vendor {
        name: "genesys",
        product: "Genesys",
        signs: &[sign(UserAgent, Contains("Genesys"), 90), sign(Header("X-Genesys-CallUUID"), Present, 50)],
    },
    Vendor {
        name: "freeswitch",
        product: "FreeSWITCH",
        signs: &[sign(UserAgent, Begins("FreeSWITCH"), 90), sign(Origin, Is("FreeSWITCH"), 80)],
    },
    Vendor { name: "kamailio", product: "Kamailio", signs: &[sign(UserAgent, Contains("kamailio"), 90)] },
];
