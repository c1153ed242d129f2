// Gives back what only the start needed: the code and constants that ran once, and the freed parts
// of the heap. What is used again comes back from the file, page by page. Called once by
// the pipeline, whose thread it is. Nothing fails: what the kernel does not take stays.
#pragma once

namespace picket {

void release_start_memory();

}  // namespace picket
