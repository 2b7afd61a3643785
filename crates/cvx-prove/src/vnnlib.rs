//! A subset of VNN-LIB 1.0: `declare-const` of reals X_i and Y_j, and `assert` of `<=` and `>=` between linear terms of
//! `+`, `-` and `*`, with `and` and `or`. What is outside of it is an error, and so is a sum that f64 rounds. Numbers
//! are the nearest f64.

use std::collections::HashSet;
use thiserror::Error;

/// Deepest nesting that is read.
const DEEPEST: usize = 100;

/// Most cases of a property.
const MOST_CASES: usize = 100_000;

/// Most numbers in all constraints of a property: a gibibyte, which a short text of many cases could ask for.
const MOST_NUMBERS: usize = 1 << 27;

/// Why a property was not read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: {detail}")]
pub struct SpecError {
    /// Line, from 1.
    pub line: usize,
    /// What is outside the subset there.
    pub detail: String,
}

/// q'Y + p'X + constant <= 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// p, one for each input.
    pub inputs: Vec<f64>,
    /// q, one for each output.
    pub outputs: Vec<f64>,
    /// The constant.
    pub constant: f64,
}

/// Constraints that hold together.
pub type Case = Vec<Constraint>;

/// A property: it is satisfied by an input if all constraints of a case are.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// The cases.
    pub cases: Vec<Case>,
}

/// A list or a word, with its line.
enum Term<'a> {
    Word(usize, &'a str),
    List(usize, Vec<Term<'a>>),
}

impl Term<'_> {
    fn line(&self) -> usize {
        match self {
            Term::Word(line, _) | Term::List(line, _) => *line,
        }
    }
}

fn error<T>(line: usize, detail: impl Into<String>) -> Result<T, SpecError> {
    Err(SpecError { line, detail: detail.into() })
}

impl Property {
    /// Reads a property.
    ///
    /// # Errors
    /// [`SpecError`] with the line of what is outside the subset.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let commands = terms(text)?;
        let (mut declared, mut asserts) = (HashSet::new(), Vec::new());
        for command in &commands {
            let line = command.line();
            match command {
                Term::List(_, parts) => match &parts[..] {
                    [Term::Word(_, "declare-const"), Term::Word(_, name), Term::Word(_, "Real")] => {
                        let Some(variable) = variable(name) else {
                            return error(line, format!("the constant {name}: only X_i and Y_j are known"));
                        };
                        if !declared.insert(variable) {
                            return error(line, format!("{name} is declared twice"));
                        }
                    }
                    [Term::Word(_, "assert"), formula] => asserts.push(formula),
                    _ => return error(line, "only (declare-const NAME Real) and (assert FORMULA) are known"),
                },
                Term::Word(_, word) => return error(line, format!("'{word}' outside of a command")),
            }
        }
        let count = |is_input: bool| declared.iter().filter(|(input, _)| *input == is_input).count();
        let mut property = Property { inputs: count(true), outputs: count(false), cases: vec![Vec::new()] };
        for (is_input, count) in [(true, property.inputs), (false, property.outputs)] {
            if count == 0 || (0..count).any(|k| !declared.contains(&(is_input, k))) {
                let name = if is_input { "X" } else { "Y" };
                return error(1, format!("the constants {name}_i have to be declared from {name}_0 on, without gaps"));
            }
        }
        for formula in asserts {
            let cases = property.cases_of(formula)?;
            property.cases = together(property.cases, &cases, formula.line())?;
        }
        Ok(property)
    }

    /// The cases of a formula.
    fn cases_of(&self, formula: &Term) -> Result<Vec<Case>, SpecError> {
        let line = formula.line();
        let Term::List(_, parts) = formula else { return error(line, "a formula is a list") };
        match &parts[..] {
            [Term::Word(_, "and"), parts @ ..] => {
                let mut cases = vec![Vec::new()];
                for part in parts {
                    cases = together(cases, &self.cases_of(part)?, line)?;
                }
                Ok(cases)
            }
            [Term::Word(_, "or"), parts @ ..] => {
                let (mut cases, mut size) = (Vec::new(), 0);
                for part in parts {
                    let more = self.cases_of(part)?;
                    size += numbers(&more);
                    cases.extend(more);
                    check_size(cases.len(), size, line)?;
                }
                Ok(cases)
            }
            [Term::Word(_, sign @ ("<=" | ">=")), left, right] => {
                let (left, right) = (self.linear(left)?, self.linear(right)?);
                let (low, high) = if *sign == "<=" { (left, right) } else { (right, left) };
                Ok(vec![vec![sum(&low, &high, -1.0, line)?]])
            }
            _ => error(line, "a formula is (and ..), (or ..), (<= A B) or (>= A B)"),
        }
    }

    fn linear(&self, term: &Term) -> Result<Constraint, SpecError> {
        let mut zero = Constraint { inputs: vec![0.0; self.inputs], outputs: vec![0.0; self.outputs], constant: 0.0 };
        let line = term.line();
        match term {
            Term::Word(_, word) => match variable(word) {
                Some((true, k)) if k < self.inputs => zero.inputs[k] = 1.0,
                Some((false, k)) if k < self.outputs => zero.outputs[k] = 1.0,
                _ => match word.parse::<f64>() {
                    Ok(number) if number.is_finite() && word.contains(|c: char| c.is_ascii_digit()) => {
                        zero.constant = number;
                    }
                    _ => return error(line, format!("'{word}' is neither a number nor a declared constant")),
                },
            },
            Term::List(_, parts) => match &parts[..] {
                [Term::Word(_, "+"), parts @ ..] if !parts.is_empty() => {
                    for part in parts {
                        zero = sum(&zero, &self.linear(part)?, 1.0, line)?;
                    }
                }
                [Term::Word(_, "-"), only] => zero = sum(&zero, &self.linear(only)?, -1.0, line)?,
                [Term::Word(_, "-"), first, parts @ ..] => {
                    zero = self.linear(first)?;
                    for part in parts {
                        zero = sum(&zero, &self.linear(part)?, -1.0, line)?;
                    }
                }
                [Term::Word(_, "*"), first, second] => {
                    let (first, second) = (self.linear(first)?, self.linear(second)?);
                    let is_number = |term: &Constraint| term.inputs.iter().chain(&term.outputs).all(|w| *w == 0.0);
                    zero = match (is_number(&first), is_number(&second)) {
                        (true, _) => scaled(&second, first.constant, line)?,
                        (_, true) => scaled(&first, second.constant, line)?,
                        _ => return error(line, "a product of two constants is not linear"),
                    };
                }
                _ => return error(line, "a term is a number, a constant, (+ ..), (- ..) or (* A B)"),
            },
        }
        Ok(zero)
    }
}

/// X_i or Y_j: whether it is an input, and its number.
fn variable(name: &str) -> Option<(bool, usize)> {
    let (is_input, digits) = match name.split_at_checked(2)? {
        ("X_", digits) => (true, digits),
        ("Y_", digits) => (false, digits),
        _ => return None,
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    is_plain.then(|| digits.parse().ok()).flatten().map(|number| (is_input, number))
}

/// All pairs of cases.
fn together(mut first: Vec<Case>, second: &[Case], line: usize) -> Result<Vec<Case>, SpecError> {
    let size = first.len().saturating_mul(numbers(second));
    let size = size.saturating_add(second.len().saturating_mul(numbers(&first)));
    check_size(first.len().saturating_mul(second.len()), size, line)?;
    // Most formulae are a conjunction of many bounds: each is added without a copy of those before it.
    if let [only] = second {
        first.iter_mut().for_each(|case| case.extend_from_slice(only));
        return Ok(first);
    }
    Ok(first.iter().flat_map(|one| second.iter().map(move |other| [&one[..], &other[..]].concat())).collect())
}

/// How many numbers the constraints of all cases hold.
fn numbers(cases: &[Case]) -> usize {
    cases.iter().flatten().map(|constraint| constraint.inputs.len() + constraint.outputs.len() + 1).sum()
}

fn check_size(cases: usize, numbers: usize, line: usize) -> Result<(), SpecError> {
    if cases > MOST_CASES || numbers > MOST_NUMBERS {
        return error(line, format!("more than {MOST_CASES} cases, or {MOST_NUMBERS} numbers in all of them"));
    }
    Ok(())
}

/// x + sign y, if no sum is rounded.
fn sum(x: &Constraint, y: &Constraint, sign: f64, line: usize) -> Result<Constraint, SpecError> {
    let add = |x: f64, y: f64| {
        let (y, total) = (sign * y, x + sign * y);
        // Knuth's two-sum: the rounding error, exactly.
        let part = total - x;
        let error = (x - (total - part)) + (y - part);
        (error == 0.0 && total.is_finite()).then_some(total)
    };
    let all = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| add(*x, *y)).collect::<Option<Vec<f64>>>();
    let added = || {
        let (inputs, outputs) = (all(&x.inputs, &y.inputs)?, all(&x.outputs, &y.outputs)?);
        Some(Constraint { inputs, outputs, constant: add(x.constant, y.constant)? })
    };
    added().map_or_else(|| error(line, "a sum of these numbers is not exact in f64: write it as one number"), Ok)
}

/// factor x, if no product is rounded.
fn scaled(x: &Constraint, factor: f64, line: usize) -> Result<Constraint, SpecError> {
    let multiply = |x: f64| {
        let product = factor * x;
        let is_exact = f64::mul_add(factor, x, -product) == 0.0 && product.is_finite();
        let vanishes = product == 0.0 && factor != 0.0 && x != 0.0;
        (is_exact && !vanishes).then_some(product)
    };
    let all = |x: &[f64]| x.iter().map(|x| multiply(*x)).collect::<Option<Vec<f64>>>();
    let product =
        || Some(Constraint { inputs: all(&x.inputs)?, outputs: all(&x.outputs)?, constant: multiply(x.constant)? });
    product().map_or_else(|| error(line, "a product of these numbers is not exact in f64: write it as one number"), Ok)
}

/// Reads lists of words; a semicolon begins a comment.
fn terms(text: &str) -> Result<Vec<Term<'_>>, SpecError> {
    let mut open: Vec<(usize, Vec<Term>)> = Vec::new();
    let mut done = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let code = line.split(';').next().unwrap_or_default();
        let mut rest = code;
        while let Some(first) = rest.chars().next() {
            let taken = match first {
                '(' if open.len() >= DEEPEST => {
                    return error(number, format!("more than {DEEPEST} lists in each other"));
                }
                '(' => {
                    open.push((number, Vec::new()));
                    1
                }
                ')' => {
                    let Some((line, parts)) = open.pop() else {
                        return error(number, "a list ends that did not begin");
                    };
                    open.last_mut().map_or(&mut done, |(_, parts)| parts).push(Term::List(line, parts));
                    1
                }
                space if space.is_whitespace() => space.len_utf8(),
                _ => {
                    let end = rest.find(|c: char| c.is_whitespace() || "()".contains(c)).unwrap_or(rest.len());
                    let word = Term::Word(number, &rest[..end]);
                    open.last_mut().map_or(&mut done, |(_, parts)| parts).push(word);
                    end
                }
            };
            rest = &rest[taken..];
        }
    }
    match open.last() {
        Some((line, _)) => error(*line, "a list that begins here does not end"),
        None => Ok(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "(declare-const X_0 Real)(declare-const X_1 Real)\n(declare-const Y_0 Real) ; a comment (\n";

    fn parsed(asserts: &str) -> Result<Property, SpecError> {
        Property::parse(&format!("{HEAD}{asserts}"))
    }

    #[test]
    fn formulae_become_cases() {
        let property =
            parsed("(assert (and (>= X_0 -1) (<= X_0 2.5e-1)))\n(assert (or (<= Y_0 3) (>= (* 2 X_1) (- Y_0 0.5))))")
                .unwrap();
        let constraint = |inputs: [f64; 2], output, constant| Constraint {
            inputs: inputs.to_vec(),
            outputs: vec![output],
            constant,
        };
        let shared = [constraint([-1.0, 0.0], 0.0, -1.0), constraint([1.0, 0.0], 0.0, -0.25)];
        let first = constraint([0.0, 0.0], 1.0, -3.0);
        let second = constraint([0.0, -2.0], 1.0, -0.5);
        let case = |last: Constraint| [&shared[..], &[last]].concat();
        assert_eq!(property, Property { inputs: 2, outputs: 1, cases: vec![case(first), case(second)] });
        assert!(parsed("(assert (or))").unwrap().cases.is_empty(), "an empty or is false");
    }

    #[test]
    fn what_is_outside_the_subset_is_an_error_with_its_line() {
        for (asserts, words) in [
            ("(assert (< X_0 1))", "(<= A B)"),
            ("(assert (not (<= X_0 1)))", "a formula"),
            ("(assert (<= X_0 X_2))", "'X_2'"),
            ("(assert (<= (* X_0 X_1) 1))", "not linear"),
            ("(assert (<= X_0 inf))", "'inf'"),
            ("(assert (<= X_0 nan))", "'nan'"),
            ("(assert (<= X_0 1e999))", "1e999"),
            ("(assert (<= X_00 1))", "X_00"),
            ("(assert (<= (+ 0.1 0.2) X_0))", "not exact"),
            ("(assert (<= (* 0.1 0.1) X_0))", "not exact"),
            ("(assert (<= X_0 1)", "does not end"),
            ("(assert (<= X_0 1)))", "did not begin"),
            ("(check-sat)", "only"),
            ("(declare-const X_0 Real)", "twice"),
            ("(declare-const X_2 Int)", "only"),
            ("word", "outside"),
        ] {
            let error = parsed(asserts).unwrap_err();
            assert!(error.detail.contains(words) && error.line == 3, "{asserts}: {error}");
        }
        assert!(Property::parse("(declare-const X_1 Real)(declare-const Y_0 Real)").is_err());
        let deep = format!("(assert {}", "(and ".repeat(200));
        assert!(parsed(&deep).unwrap_err().detail.contains("lists"));
        let wide = format!("(assert (and {}))", "(or (<= X_0 1) (<= X_1 1))".repeat(40));
        assert!(parsed(&wide).unwrap_err().detail.contains("cases"));
    }

    #[test]
    fn a_short_text_cannot_ask_for_much_memory() {
        let inputs: String = (0..2000).map(|k| format!("(declare-const X_{k} Real)")).collect();
        let cases = format!("(or {})", "(<= X_0 1)".repeat(300));
        let text = format!("{inputs}(declare-const Y_0 Real)(assert {cases})(assert {cases})");
        let error = Property::parse(&text).unwrap_err();
        assert!(error.detail.contains("numbers"), "90,000 cases of two constraints of 2,001 numbers: {error}");
    }
}
