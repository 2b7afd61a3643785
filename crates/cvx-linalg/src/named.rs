//! Choices that users make by name: each enum lists its names once, and every front end reads them from there.

use std::str::FromStr;
use thiserror::Error;

/// A text that is not the name of any choice.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown {what} '{}': the names are {}", found.escape_debug(), known.join(", "))]
pub struct UnknownName {
    /// What is chosen.
    pub what: &'static str,
    /// The text.
    pub found: String,
    /// The names of all choices.
    pub known: Vec<&'static str>,
}

impl UnknownName {
    /// The error of parsing `found` as a `T`.
    pub fn of<T: Named>(found: &str) -> Self {
        UnknownName { what: T::WHAT, found: found.to_string(), known: T::names() }
    }
}

/// A choice that is parsed from one of a fixed list of names.
pub trait Named: FromStr<Err = UnknownName> {
    /// What is chosen, for messages.
    const WHAT: &'static str;

    /// The names of all choices, in the order in which users see them.
    fn names() -> Vec<&'static str>;
}

/// Gives an enum without data the list `ALL`, `name`, `Display`, `FromStr` and [`Named`], in the order of the list:
/// `named!(Choice, "choice of beta": Best = "best", Sparsest = "sparsest")`.
#[doc(hidden)]
#[macro_export]
macro_rules! named {
    ($kind:ident, $what:literal: $first:ident = $first_name:literal $(, $variant:ident = $name:literal)* $(,)?) => {
        impl $kind {
            /// All choices, in the order in which users see them.
            pub const ALL: [Self; [$first_name $(, $name)*].len()] = [Self::$first $(, Self::$variant)*];

            #[doc = concat!("The name by which users choose it: `", $first_name, "`" $(, ", `", $name, "`")*, ".")]
            pub fn name(self) -> &'static str {
                match self {
                    Self::$first => $first_name,
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl $crate::Named for $kind {
            const WHAT: &'static str = $what;

            fn names() -> Vec<&'static str> {
                Self::ALL.map(Self::name).to_vec()
            }
        }

        impl std::str::FromStr for $kind {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.into_iter().find(|choice| choice.name() == text);
                found.ok_or_else(|| $crate::UnknownName::of::<Self>(text))
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fruit {
        Apple,
        BloodOrange,
    }

    named!(Fruit, "fruit": BloodOrange = "blood-orange", Apple = "apple");

    #[test]
    fn a_name_is_parsed_and_printed() {
        assert_eq!(Fruit::ALL, [Fruit::BloodOrange, Fruit::Apple]);
        for fruit in Fruit::ALL {
            assert_eq!(fruit.name().parse(), Ok(fruit));
            assert_eq!(fruit.to_string(), fruit.name());
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "Apple\n".parse::<Fruit>().unwrap_err();
        assert_eq!((error.what, error.found.as_str()), ("fruit", "Apple\n"));
        assert_eq!(error.known, ["blood-orange", "apple"]);
        assert_eq!(error.to_string(), "unknown fruit 'Apple\\n': the names are blood-orange, apple");
    }
}
