/// Whether a character has an effect instead of a shape: controls, and invisible characters that hide or reorder their neighbours.
pub(super) fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
