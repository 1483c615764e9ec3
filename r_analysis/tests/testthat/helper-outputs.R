#' Names of the outputs that the report on a cohort is to show.
names_to_show <- function(outputs, virtual) {
  visible <- Filter(function(output) !is.null(output$chapter), outputs)
  if (!virtual) {
    visible <- Filter(function(output) output$chapter != VIRTUAL_CHAPTER || output$name == "sizes", visible)
  }
  names(visible)
}
