#' Names of the outputs that the report on a cohort is to show, of one segmentation variant or of several, and with or
#' without the table of other networks. Of a virtual cohort there are further draws.
names_to_show <- function(outputs, virtual, several = FALSE, yardsticks = FALSE) {
  visible <- Filter(function(output) !is.null(output$chapter), outputs)
  if (!several) {
    visible <- Filter(function(output) output$chapter != SEGMENTATION_CHAPTER, visible)
  }
  if (!yardsticks) {
    visible <- Filter(function(output) output$chapter != YARDSTICK_CHAPTER, visible)
  }
  if (!virtual) {
    visible <- Filter(function(output) output$chapter != VIRTUAL_CHAPTER || output$name == "sizes", visible)
    visible <- Filter(function(output) output$chapter != DRAW_CHAPTER, visible)
  }
  names(visible)
}
