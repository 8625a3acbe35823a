//! What the OpenAPI document says of who may: by what callers show who they are, and how they are refused.

use axum::http::Method;
use utoipa::Modify;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref};

use super::super::guard::{Need, need};

/// Adds it to a document.
#[derive(Debug)]
pub(in crate::server::api) struct Guarded;

const SCHEMES: [&str; 3] = ["bearer", "apiKey", "mutualTLS"];

impl Modify for Guarded {
    fn modify(&self, document: &mut OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A token of auth.oauth2.issuer, or an API key"))
            .build();
        let key = ApiKeyValue::with_description("X-API-Key", "A key of auth.api_keys");
        let certificate = Some("A certificate that a row of auth.certificates names".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(key)));
        components.add_security_scheme(
            "mutualTLS",
            SecurityScheme::MutualTls { description: certificate, deprecated: None, extensions: None },
        );
        for (path, item) in &mut document.paths.paths {
            let methods = [
                (Method::GET, &mut item.get),
                (Method::PUT, &mut item.put),
                (Method::POST, &mut item.post),
                (Method::DELETE, &mut item.delete),
                (Method::PATCH, &mut item.patch),
            ];
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    guard(operation, need(&method, path));
                }
            }
        }
    }
}

fn guard(operation: &mut Operation, need: Option<Need>) {
    let forbidden = match need {
        Some(Need::Nothing) => "The API is not for your address".to_owned(),
        Some(Need::One(permission)) => {
            let none = Vec::<String>::new;
            operation.security = Some(SCHEMES.iter().map(|scheme| SecurityRequirement::new(*scheme, none())).collect());
            let unshown = "It is not shown who asks, or not so that it can be believed: WWW-Authenticate says more";
            refusal(operation, "401", unshown);
            format!(
                "Your roles do not give the permission `{}`, or the API is not for your address",
                permission.as_str()
            )
        }
        None => "It is done for nobody".to_owned(),
    };
    refusal(operation, "403", &forbidden);
    refusal(operation, "429", "Too many requests: Retry-After says when to ask again");
}

fn refusal(operation: &mut Operation, status: &str, description: &str) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content("application/problem+json", problem).build();
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.into());
}
