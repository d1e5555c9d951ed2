use std::os::windows::process::CommandExt;
use std::process::Command;

/// `CREATE_NO_WINDOW`: a console program gets a console without a window (Process Creation Flags).
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

pub(crate) fn without_window(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}
