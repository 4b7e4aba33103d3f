//! Draws are pinned: a change here changes every recorded seed.

use expect_test::expect;
use seedfast_sim::draw::{Draw, Draws, Purpose};

#[test]
fn keys_draws_and_entropy_are_pinned() {
    let draw = Draw::new(0x5eed);
    let keys: Vec<String> =
        [Purpose::Network, Purpose::Disk, Purpose::Image, Purpose::Burst, Purpose::Cut, Purpose::Orphan]
            .map(|purpose| format!("{:016x}", draw.key(purpose, 1 << 8 | 2)))
            .into();
    let draws = Draws::of(draw.key(Purpose::Network, 1), 1_000_000);
    let entropy = draw.entropy(3, 1);
    let text = format!(
        "{keys:#?}\n{:016x} {:016x} {:016x}\n{} {} {}\n{:02x?}",
        draws.bits(0),
        draws.bits(1),
        draws.part(5).bits(0),
        draws.below(0, 1_000),
        draws.between(1, 10, 20),
        draws.chance(2, 500_000),
        &entropy[..8],
    );
    expect![[r#"
        [
            "37f5aa14b1fe08df",
            "0b85ba5539e80a14",
            "e9a6e08f5532525e",
            "cfd4050a2e4688b7",
            "c72a0e8a2c02e917",
            "6edc2142b0165610",
        ]
        e8b036b0034eb019 032ec7f9c8815c0a b4ad2865b4bbf731
        908 10 false
        [7e, fa, 54, b0, 01, 18, 92, 57]"#]]
    .assert_eq(&text);
}
