#' What the report shows its outputs with.
#'
#' @param analysis List as of [run_analysis()].
#' @param figures List as of [build_figures()].
#' @return List of functions. `show(name)`: table and figure of an output. `show_rest(chapter)`: those of every output
#'   of a chapter that was not shown yet, in the order of the registry. `list_shown()`: names of what was shown. The
#'   first two give HTML that knitr takes as it is. It is an error to show what is not registered, has neither table nor
#'   figure, or was shown before.
new_presenter <- function(analysis, figures) {
  outputs <- analysis$outputs
  shown <- character()
  show <- function(name) {
    output <- find_output(outputs, name)
    if (is.null(output$table) && is.null(output$figure)) {
      stop("output ", name, " has neither table nor figure")
    }
    if (name %in% shown) {
      stop("output ", name, " is shown twice")
    }
    shown <<- c(shown, name)
    parts <- list(
      if (!is.null(output$table)) {
        format_table(output$table(get_estimate(analysis, name), analysis), get_label(output, analysis))
      },
      if (!is.null(output$figure)) {
        format_figure(figures[[output$figure]], output$figure, get_label(output, analysis))
      }
    )
    knitr::asis_output(paste(unlist(if (output$figure_first) rev(parts) else parts), collapse = ""))
  }
  show_rest <- function(chapter) {
    of_chapter <- vapply(outputs, function(output) identical(output$chapter, chapter), logical(1))
    if (!any(of_chapter)) {
      stop("no output is of the chapter ", chapter)
    }
    rest <- setdiff(names(outputs)[of_chapter], shown)
    knitr::asis_output(paste(vapply(rest, show, ""), collapse = ""))
  }
  list(show = show, show_rest = show_rest, list_shown = function() shown)
}
