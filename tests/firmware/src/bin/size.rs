//! An image that holds the codec, and nothing that uses it: the parts that the
//! features choose, every public function of each. What it takes beyond the image
//! without any part is the size of those parts.

#![no_std]
#![no_main]

#[cfg(any(feature = "parser", feature = "writer", feature = "assembler"))]
use gotalk_firmware::api;

gotalk_firmware::entry!(main);

fn main() {}

#[cfg(feature = "parser")]
#[used]
#[unsafe(link_section = ".api")]
static READING: api::Reading = api::READING;

#[cfg(feature = "writer")]
#[used]
#[unsafe(link_section = ".api")]
static WRITING: api::Writing = api::WRITING;

#[cfg(feature = "assembler")]
#[used]
#[unsafe(link_section = ".api")]
static ASSEMBLING: api::Assembling = api::ASSEMBLING;
