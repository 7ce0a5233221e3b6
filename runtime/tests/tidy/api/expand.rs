//! Expands the crates' own `macro_rules!` that define public items.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};

use super::text::text;

/// What a variable of a matcher stands for.
#[derive(Debug, Clone)]
enum Binding {
    One(TokenStream),
    Many(Vec<Bindings>),
}

type Bindings = BTreeMap<String, Binding>;

/// Returns what a macro makes of its arguments; `None` if no rule matches them.
pub(crate) fn expand(rules: TokenStream, arguments: &TokenStream) -> Option<TokenStream> {
    let rules: Vec<_> = rules.into_iter().collect();
    rules.split(|it| is_punct(it, ';')).find_map(|rule| {
        let groups: Vec<_> = rule.iter().filter_map(group).collect();
        let [matcher, result] = groups[..] else { return None };
        let mut bindings = Bindings::new();
        let rest = matched(matcher.stream(), arguments.clone(), &mut bindings)?;
        rest.is_empty().then(|| substituted(result.stream(), &bindings))
    })
}

/// Returns what is left of the input after a matcher.
fn matched(
    matcher: TokenStream,
    mut input: TokenStream,
    bindings: &mut Bindings,
) -> Option<TokenStream> {
    let mut matcher = matcher.into_iter().peekable();
    while let Some(token) = matcher.next() {
        if !is_punct(&token, '$') {
            let mut rest = input.into_iter();
            is_matched(&token, &rest.next()?, bindings)?;
            input = rest.collect();
            continue;
        }
        match matcher.next()? {
            TokenTree::Group(repeated) => {
                let mut separator = matcher.next().filter(|it| !is_repeat(it));
                if separator.is_some() {
                    matcher.next();
                }
                input = repeat(&repeated.stream(), separator.take(), input, bindings);
            }
            name => {
                matcher.next();
                let (found, rest) = fragment(&matcher.next()?.to_string(), input)?;
                bindings.insert(name.to_string(), Binding::One(found));
                input = rest;
            }
        }
    }
    Some(input)
}

/// Returns `Some` if a token of a matcher stands for a token of the input.
fn is_matched(matcher: &TokenTree, token: &TokenTree, bindings: &mut Bindings) -> Option<()> {
    match (matcher, token) {
        (TokenTree::Group(matcher), TokenTree::Group(inside))
            if matcher.delimiter() == inside.delimiter() =>
        {
            matched(matcher.stream(), inside.stream(), bindings)?.is_empty().then_some(())
        }
        _ => (matcher.to_string() == token.to_string()).then_some(()),
    }
}

fn repeat(
    matcher: &TokenStream,
    separator: Option<TokenTree>,
    mut input: TokenStream,
    bindings: &mut Bindings,
) -> TokenStream {
    let mut rounds = Vec::new();
    while !input.is_empty() {
        let mut round = Bindings::new();
        let Some(rest) = matched(matcher.clone(), input.clone(), &mut round) else { break };
        if rest.clone().into_iter().count() == input.clone().into_iter().count() {
            break;
        }
        rounds.push(round);
        let skipped = usize::from(separator.is_some());
        input = rest.into_iter().skip(skipped).collect();
    }
    // Every variable inside has the same rounds; the names are those of the matcher.
    bindings.insert(key(matcher), Binding::Many(rounds));
    input
}

/// Takes a fragment such as `ty` from the input.
fn fragment(kind: &str, input: TokenStream) -> Option<(TokenStream, TokenStream)> {
    fn take<T: Parse + quote::ToTokens>(input: ParseStream<'_>) -> syn::Result<TokenStream> {
        input.parse::<T>().map(quote::ToTokens::into_token_stream)
    }
    let parser = |input: ParseStream<'_>| {
        let found = match kind {
            "ident" => proc_macro2::Ident::parse_any(input).map(|it| TokenTree::from(it).into()),
            "ty" => take::<syn::Type>(input),
            "meta" => take::<syn::Meta>(input),
            "expr" => take::<syn::Expr>(input),
            "literal" => take::<syn::Lit>(input),
            "path" => take::<syn::Path>(input),
            _ => take::<TokenTree>(input),
        };
        Ok((found?, input.parse::<TokenStream>()?))
    };
    parser.parse2(input).ok()
}

fn substituted(result: TokenStream, bindings: &Bindings) -> TokenStream {
    let mut made = TokenStream::new();
    let mut tokens = result.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let inside = substituted(group.stream(), bindings);
                made.extend([TokenTree::Group(Group::new(group.delimiter(), inside))]);
            }
            token if !is_punct(&token, '$') => made.extend([token]),
            _ => match tokens.next() {
                Some(TokenTree::Group(group)) => {
                    let separator = tokens.next().filter(|it| !is_repeat(it));
                    if separator.is_some() {
                        tokens.next();
                    }
                    made.extend(rounds(&group.stream(), separator.as_ref(), bindings));
                }
                Some(name) => match bindings.get(&name.to_string()) {
                    Some(Binding::One(found)) => made.extend(found.clone()),
                    _ => made.extend([name]),
                },
                None => {}
            },
        }
    }
    made
}

fn rounds(result: &TokenStream, separator: Option<&TokenTree>, bindings: &Bindings) -> TokenStream {
    let names = key(result);
    let uses = |variables: &str| variables.split(' ').any(|it| names.split(' ').any(|n| n == it));
    let many = bindings.iter().find_map(|(variables, it)| match it {
        Binding::Many(rounds) if uses(variables) => Some(rounds),
        _ => None,
    });
    let mut made = TokenStream::new();
    for (index, round) in many.into_iter().flatten().enumerate() {
        made.extend(separator.filter(|_| index > 0).cloned());
        let mut all = bindings.clone();
        all.extend(round.clone());
        made.extend(substituted(result.clone(), &all));
    }
    made
}

/// Returns the variables of some tokens, as one text.
fn key(tokens: &TokenStream) -> String {
    let mut names = Vec::new();
    let mut is_variable = false;
    for token in tokens.clone() {
        match &token {
            TokenTree::Ident(name) if is_variable => names.push(name.to_string()),
            TokenTree::Group(group) => names.push(key(&group.stream())),
            _ => {}
        }
        is_variable = is_punct(&token, '$');
    }
    names.retain(|name| !name.is_empty());
    names.join(" ")
}

fn is_punct(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_repeat(token: &TokenTree) -> bool {
    ['*', '+', '?'].iter().any(|sign| is_punct(token, *sign))
}

fn group(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() != Delimiter::None => Some(group),
        _ => None,
    }
}

#[test]
fn rules_with_repetitions_are_expanded() {
    let tokens = |text: &str| text.parse::<TokenStream>().expect("tokens");
    let rules = tokens(
        "($(#[$doc:meta])* $name:ident, $($of:ty),*) => { $(#[$doc])* struct $name($($of),*); };",
    );
    let found = expand(rules, &tokens("#[a] #[b] Pair, Vec<u8>, u8")).expect("it matches");
    assert_eq!(text(&found), "#[a] #[b] struct Pair(Vec<u8>, u8);");
}
