//! Prints `docs/configuration.md`.

fn main() {
    print!("{}", job::settings::render());
}
