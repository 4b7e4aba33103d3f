//! The attribute `#[seedfast::test]`. It only rewrites: everything that it means is done by `seedfast::check`.
//!
//! Tokens are read by hand. A function without arguments is all that there is to read, and a parser of Rust would take
//! longer to build than everything else here.
#![forbid(unsafe_code)]

use proc_macro::{Delimiter, Ident, Span, TokenStream, TokenTree};

/// Makes a test of a function that returns a scenario.
///
/// ```text
/// #[seedfast::test(seeds = 200)]
/// fn no_acknowledged_write_is_lost() -> impl Scenario {
///     Register::default()
/// }
/// ```
/// becomes a `#[test]` that calls `seedfast::check(scenario).seeds(200).run()`. Every `name = value` is a call of that
/// method of `seedfast::Check`. Other attributes, such as `#[should_panic]` and `#[ignore]`, may follow.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    rewrite(arguments, item).unwrap_or_else(|wrong| wrong.into_compile_error())
}

/// What cannot be rewritten, and where.
struct Wrong(Span, &'static str);

impl Wrong {
    fn into_compile_error(self) -> TokenStream {
        let error = quoted(&format!("::core::compile_error!({:?});", self.1));
        error.into_iter().map(|token| spanned(token, self.0)).collect()
    }
}

/// Text of ours as tokens.
fn quoted(text: &str) -> TokenStream {
    text.parse().expect("what this crate writes is Rust")
}

fn spanned(mut token: TokenTree, span: Span) -> TokenTree {
    token.set_span(span);
    token
}

/// A function, as far as it matters here.
struct Function {
    attributes: Vec<TokenTree>,
    name: Ident,
    /// From the arrow up to the body.
    returns: Vec<TokenTree>,
    body: TokenTree,
}

fn rewrite(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, Wrong> {
    let calls = calls(arguments)?;
    let Function { attributes, name, returns, body } = function(item)?;
    let mut inner = quoted("fn scenario()");
    inner.extend(returns);
    inner.extend([body]);
    // The path of the test as the test runner knows it; a raw name is known without its `r#`.
    let plain = name.to_string();
    let plain = plain.strip_prefix("r#").unwrap_or(&plain);
    inner.extend(quoted(&format!(
        "::seedfast::check(scenario()).named(::core::concat!(::core::module_path!(), \"::{plain}\"))"
    )));
    inner.extend(calls);
    inner.extend(quoted(".run();"));

    let mut test = quoted("#[::core::prelude::v1::test]");
    test.extend(attributes);
    test.extend(quoted("fn"));
    test.extend([TokenTree::Ident(name)]);
    test.extend(quoted("()"));
    test.extend([TokenTree::Group(proc_macro::Group::new(Delimiter::Brace, inner))]);
    Ok(test)
}

/// `name = value, ...` as `.name(value)...`.
fn calls(arguments: TokenStream) -> Result<TokenStream, Wrong> {
    const SHAPE: &str = "write `name = value` for a method of `seedfast::Check`, such as `seeds = 200`";
    let mut calls = TokenStream::new();
    let mut tokens = arguments.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let TokenTree::Ident(name) = token else { return Err(Wrong(token.span(), SHAPE)) };
        match tokens.next() {
            Some(TokenTree::Punct(equals)) if equals.as_char() == '=' => {}
            other => return Err(Wrong(other.map_or(name.span(), |token| token.span()), SHAPE)),
        }
        let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
        let mut value = TokenStream::new();
        while let Some(token) = tokens.next_if(|token| !is_comma(token)) {
            value.extend([token]);
        }
        if value.is_empty() {
            return Err(Wrong(name.span(), SHAPE));
        }
        tokens.next();
        calls.extend(quoted("."));
        calls.extend([
            TokenTree::Ident(name),
            TokenTree::Group(proc_macro::Group::new(Delimiter::Parenthesis, value)),
        ]);
    }
    Ok(calls)
}

fn function(item: TokenStream) -> Result<Function, Wrong> {
    const SHAPE: &str =
        "write `fn name() -> impl Scenario { .. }`: a function without arguments whose value is run";
    let mut tokens = item.into_iter();
    let mut attributes = Vec::new();
    let keyword = loop {
        match tokens.next() {
            // A visibility says nothing about a test and is left out; whatever else stands here is refused below.
            Some(TokenTree::Ident(word)) if word.to_string() == "fn" => break word,
            Some(TokenTree::Ident(word)) if word.to_string() == "pub" => {}
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {}
            Some(token @ TokenTree::Punct(_)) => attributes.push(token),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
                attributes.push(TokenTree::Group(group));
            }
            other => return Err(Wrong(other.map_or(Span::call_site(), |token| token.span()), SHAPE)),
        }
    };
    let Some(TokenTree::Ident(name)) = tokens.next() else { return Err(Wrong(keyword.span(), SHAPE)) };
    match tokens.next() {
        Some(TokenTree::Group(group))
            if group.delimiter() == Delimiter::Parenthesis && group.stream().is_empty() => {}
        _ => return Err(Wrong(name.span(), SHAPE)),
    }
    let mut returns: Vec<TokenTree> = tokens.collect();
    match returns.pop() {
        Some(body @ TokenTree::Group(_)) if !returns.is_empty() => {
            Ok(Function { attributes, name, returns, body })
        }
        _ => Err(Wrong(name.span(), SHAPE)),
    }
}
