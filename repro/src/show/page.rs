//! The page: a template, its style and its scripts, and the data, compressed, in one file.

use crate::base64;
use crate::markup::content;
use serde_json::Value;

const TEMPLATE: &str = include_str!("../../assets/show.html");
const STYLE: &str = include_str!("../../assets/show.css");

/// The scripts in the order in which they are put together: each may use what stands in those before it.
const SCRIPTS: [&str; 13] = [
    include_str!("../../assets/data.js"),
    include_str!("../../assets/words.js"),
    include_str!("../../assets/state.js"),
    include_str!("../../assets/filter.js"),
    include_str!("../../assets/scale.js"),
    include_str!("../../assets/colours.js"),
    include_str!("../../assets/lanes.js"),
    include_str!("../../assets/ground.js"),
    include_str!("../../assets/draw.js"),
    include_str!("../../assets/pick.js"),
    include_str!("../../assets/minimap.js"),
    include_str!("../../assets/panel.js"),
    include_str!("../../assets/main.js"),
];

/// How hard the data is compressed: 0 to 10.
const LEVEL: u8 = 9;

/// The whole page.
pub(crate) fn page(title: &str, data: &Value) -> String {
    let data = base64::encode(&miniz_oxide::deflate::compress_to_vec(data.to_string().as_bytes(), LEVEL));
    let script = SCRIPTS.concat();
    // Each mark is looked for in the template alone, never in what was put in for another.
    let mut page = String::with_capacity(TEMPLATE.len() + STYLE.len() + script.len() + data.len());
    let mut rest = TEMPLATE;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (mark, after) = behind.split_once("}}").expect("the template closes its marks");
        page.push_str(before);
        match mark {
            "title" => page.push_str(&content(title)),
            "style" => page.push_str(STYLE),
            "script" => page.push_str(&script),
            "data" => page.push_str(&data),
            other => unreachable!("the template has an unknown mark {other}"),
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_in_the_data_or_the_title_can_end_an_element() {
        let evil = "</script><img src=x onerror=alert(1)>{{data}}";
        let page = page(evil, &json!({ "texts": [evil] }));
        assert!(!page.contains("<img"), "a payload became an element");
        assert_eq!(page.matches("</script>").count(), TEMPLATE.matches("</script>").count());
        assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;{{data}}"));
    }

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        let page = page("t", &json!({}));
        for word in ["http://", "https://", "fetch(", "XMLHttpRequest", "import(", "url(", " src=", "@import"]
        {
            assert!(!page.contains(word), "{word}");
        }
    }
}
