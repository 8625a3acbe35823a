//! What roles come to: which permission, with which recordings.

use std::collections::BTreeSet;

use crate::archive::notes::Tag;
use crate::config::{Permission, Role};

const PERMISSIONS: [Permission; 5] =
    [Permission::Read, Permission::Write, Permission::Delete, Permission::Export, Permission::Manage];

/// With what a permission may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server::api) enum Scope {
    /// With nothing: the permission was not given.
    Nothing,
    /// With recordings that have one of these tags.
    Tagged(BTreeSet<Tag>),
    /// With everything.
    Everything,
}

impl Scope {
    /// Whether a recording with these tags is in it.
    pub(in crate::server::api) fn holds(&self, tags: &BTreeSet<Tag>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Tagged(ours) => !ours.is_disjoint(tags),
            Self::Everything => true,
        }
    }
}

/// The scope of each permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server::api) struct Grants([Scope; PERMISSIONS.len()]);

impl Grants {
    /// Everything.
    pub(super) fn all() -> Self {
        Self(PERMISSIONS.map(|_| Scope::Everything))
    }

    /// What those of `roles` give that are called so; a name that none of them has gives nothing.
    pub(super) fn of(names: &[String], roles: &[Role]) -> Self {
        let ours: Vec<&Role> = roles.iter().filter(|role| names.contains(&role.name)).collect();
        Self(PERMISSIONS.map(|permission| {
            let giving = || ours.iter().filter(|role| role.permissions.contains(&permission));
            if giving().any(|role| role.tags.is_empty()) {
                return Scope::Everything;
            }
            let tags: BTreeSet<Tag> = giving().flat_map(|role| role.tags.iter().cloned()).collect();
            if tags.is_empty() { Scope::Nothing } else { Scope::Tagged(tags) }
        }))
    }

    pub(in crate::server::api) fn scope(&self, permission: Permission) -> &Scope {
        self.0.get(permission as usize).unwrap_or(&Scope::Nothing)
    }

    /// The permissions whose scope `is_fit`.
    pub(in crate::server::api) fn permissions(&self, is_fit: impl Fn(&Scope) -> bool) -> Vec<Permission> {
        PERMISSIONS.into_iter().filter(|permission| is_fit(self.scope(*permission))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, permissions: &[Permission], tags: &[&str]) -> Role {
        let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        Role { name: name.into(), permissions: permissions.to_vec(), tags }
    }

    #[test]
    fn roles_add_up_and_what_nobody_gave_is_denied() {
        let roles = [
            role("agent", &[Permission::Read], &[]),
            role("sales", &[Permission::Read, Permission::Export], &["sales"]),
            role("claims", &[Permission::Export], &["claims"]),
        ];
        let of = |names: &[&str]| Grants::of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &roles);
        assert!(PERMISSIONS.iter().all(|p| *of(&["Agent", "root", ""]).scope(*p) == Scope::Nothing));
        assert_eq!(*of(&["agent", "sales"]).scope(Permission::Read), Scope::Everything, "the wider one counts");
        let both = of(&["sales", "claims"]);
        let tags = |names: &[&str]| names.iter().map(|tag| tag.parse().unwrap()).collect::<BTreeSet<Tag>>();
        assert!(both.scope(Permission::Export).holds(&tags(&["x", "claims"])));
        assert!(!both.scope(Permission::Read).holds(&tags(&["claims"])), "read is for sales alone");
        assert!(!both.scope(Permission::Read).holds(&tags(&[])));
        assert_eq!(both.permissions(|scope| scope.holds(&tags(&["claims"]))), [Permission::Export]);
        for (index, permission) in PERMISSIONS.into_iter().enumerate() {
            assert_eq!(permission as usize, index);
        }
    }
}
