//! `${env:NAME}`, `${file:PATH}` and `${credential:NAME}` in texts. They are put in once TOML is read,
//! so that what they hold can end no quote and begin no setting.

use std::collections::HashMap;

use job::Surroundings;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where systemd puts what `LoadCredential=` names.
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What was found, and what was not.
#[derive(Default)]
pub(super) struct Referred {
    /// By where the text begins that held a reference: what it says with it.
    pub(super) texts: HashMap<usize, String>,
    /// Where, and why.
    pub(super) missing: Vec<(usize, String)>,
}

pub(super) fn put_in(table: &mut DeTable<'_>, world: &dyn Surroundings) -> Referred {
    let mut referred = Referred::default();
    each_text(table, &mut |at, text| match resolved(text, world) {
        Ok(None) => None,
        Ok(Some(found)) => {
            referred.texts.insert(at, found.clone());
            Some(found)
        }
        Err(message) => {
            referred.missing.push((at, message));
            None
        }
    });
    referred
}

/// The same once more, of the same text, with what was found then.
pub(super) fn put_in_again(table: &mut DeTable<'_>, texts: &HashMap<usize, String>) {
    each_text(table, &mut |at, _| texts.get(&at).cloned());
}

/// `becomes` is told where each text begins and what it says.
fn each_text(table: &mut DeTable<'_>, becomes: &mut dyn FnMut(usize, &str) -> Option<String>) {
    for (_, value) in table.iter_mut() {
        in_value(value, becomes);
    }
}

fn in_value(
    value: &mut Spanned<DeValue<'_>>,
    becomes: &mut dyn FnMut(usize, &str) -> Option<String>,
) {
    let at = value.span().start;
    match value.get_mut() {
        DeValue::String(text) => {
            if let Some(other) = becomes(at, text) {
                *text = other.into();
            }
        }
        DeValue::Array(values) => values.iter_mut().for_each(|value| in_value(value, becomes)),
        DeValue::Table(table) => each_text(table, becomes),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// `None`: there is nothing to put in.
fn resolved(text: &str, world: &dyn Surroundings) -> Result<Option<String>, String> {
    let mut rest = text;
    let mut out = String::new();
    while let Some((before, reference)) = rest.split_once("${") {
        let Some((reference, after)) = reference.split_once('}') else {
            return Err("`${` without its `}`".to_owned());
        };
        out.push_str(before);
        out.push_str(&looked_up(reference, world)?);
        rest = after;
    }
    if rest.len() == text.len() {
        return Ok(None);
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn looked_up(reference: &str, world: &dyn Surroundings) -> Result<String, String> {
    let file = |path: &str| match world.file(path) {
        // Editors and `echo` end a file with a line end that is no part of a password.
        Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(format!("file `{path}` cannot be read: {error}")),
    };
    match reference.split_once(':') {
        Some(("env", name)) => {
            world.env(name).ok_or_else(|| format!("environment variable `{name}` is not set"))
        }
        Some(("file", path)) => file(path),
        Some(("credential", name)) => file(&credential(name, world)?),
        _ => Err(format!(
            "`${{{reference}}}` is no reference: `${{env:NAME}}`, `${{file:PATH}}` and \
             `${{credential:NAME}}` are"
        )),
    }
}

/// The path of a credential.
pub(super) fn credential(name: &str, world: &dyn Surroundings) -> Result<String, String> {
    if name.is_empty() || name.contains('/') {
        return Err(format!("`{name}` is no name of a credential"));
    }
    match world.env(CREDENTIALS) {
        Some(directory) => Ok(format!("{directory}/{name}")),
        None => Err(format!(
            "there is no credential `{name}`: {CREDENTIALS} is not set, which systemd does for a \
             unit with `LoadCredential={name}:PATH`"
        )),
    }
}
