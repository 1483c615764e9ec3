#' Problems with an input, one a row.
#'
#' @param file,column Where; column "" means the whole file.
#' @param row Line of the file (the header is line 1), NA for a whole column or file.
#' @param expected,found What was asked for and what stood there.
#' @return Data frame with these five columns; no rows if `row` and `found` are empty.
new_problems <- function(file = character(), column = "", row = NA_integer_, expected = "", found = "") {
  if (length(file) == 0 || length(row) == 0 || length(found) == 0) {
    return(data.frame(
      file = character(), column = character(), row = integer(), expected = character(), found = character()
    ))
  }
  data.frame(file = file, column = column, row = as.integer(row), expected = expected, found = found)
}

#' Line numbers as short text.
#'
#' @param rows Integer vector.
#' @return String such as "3, 7-9".
format_rows <- function(rows) {
  rows <- sort(unique(rows))
  run <- cumsum(c(TRUE, diff(rows) != 1))
  parts <- tapply(rows, run, function(r) if (length(r) == 1) as.character(r) else paste0(min(r), "-", max(r)))
  paste(parts, collapse = ", ")
}

#' Problems as lines of text; equal complaints about several rows of a column share a line.
#'
#' @param problems Data frame as of [new_problems()].
#' @return Character vector.
format_problems <- function(problems) {
  place <- paste(problems$file, problems$column, problems$expected, problems$found, sep = "\r")
  vapply(split(problems, factor(place, unique(place))), function(same) {
    rows <- same$row[!is.na(same$row)]
    where <- c(
      same$file[1],
      if (nzchar(same$column[1])) paste("column", same$column[1]),
      if (length(rows) > 0) paste(if (length(rows) == 1) "row" else "rows", format_rows(rows))
    )
    paste0(paste(where, collapse = ", "), ": expected ", same$expected[1], ", found ", same$found[1])
  }, character(1), USE.NAMES = FALSE)
}

#' Raises one error of class `input_error` with all problems, or returns if there are none.
#'
#' @param problems Data frame as of [new_problems()].
stop_for_problems <- function(problems) {
  if (nrow(problems) > 0) {
    lines <- format_problems(problems)
    stop(structure(
      class = c("input_error", "error", "condition"),
      list(message = paste(lines, collapse = "\n"), call = NULL, problems = problems)
    ))
  }
  invisible(NULL)
}

#' Evaluates several readers and tells of the problems of all of them together.
#'
#' @param readers Named list of functions without arguments.
#' @return Named list of their values. Raises one `input_error` with every problem.
evaluate_all <- function(readers) {
  problems <- new_problems()
  values <- lapply(readers, function(reader) {
    tryCatch(reader(), input_error = function(error) {
      problems <<- rbind(problems, error$problems)
      NULL
    })
  })
  stop_for_problems(problems)
  values
}
