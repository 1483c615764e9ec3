#' Reads the description of the results files.
#'
#' @param path schema.csv: one row a column of a results file, and one row a key of run.csv (`run_key`).
#' @return Data frame of character columns `file`, `column`, `run_key`, `type`, `unit`, `allowed`, `meaning`,
#'   `example`, `order` (of the file's rows) and logical `required` (a cell may not be empty), `identifies_row` (these
#'   columns together are unique) and `optional` (the whole file may be absent).
read_schema <- function(path) {
  schema <- utils::read.csv(path, colClasses = "character", encoding = "UTF-8", na.strings = character())
  schema$required <- schema$required == "1"
  schema$identifies_row <- schema$identifies_row == "1"
  schema$optional <- schema$optional == "1"
  schema
}

VARIANTS_FILE <- "variants.csv"

#' Which columns take their values from the run's own variants: `allowed` is `variants.csv: KIND KIND`, not a list.
#'
#' @param allowed Character vector, column `allowed` of the schema.
#' @return Logical vector.
refers_to_variants <- function(allowed) startsWith(allowed, paste0(VARIANTS_FILE, ": "))

#' Kinds of variants that a column takes.
#'
#' @param allowed One cell for which [refers_to_variants()] is TRUE.
#' @return Character vector.
referred_kinds <- function(allowed) strsplit(sub("^[^:]*: ", "", allowed), " ", fixed = TRUE)[[1]]

#' Puts the names of the run's variants where the schema refers to them.
#'
#' @param schema Data frame as of [read_schema()].
#' @param variants Data frame as variants.csv, whose order the names keep; NULL if it cannot be read: the columns that
#'   refer to it are then taken as any text.
#' @return The schema.
resolve_variants <- function(schema, variants) {
  rows <- which(refers_to_variants(schema$allowed))
  if (is.null(variants)) {
    schema$type[rows] <- "string"
    schema$allowed[rows] <- ""
  } else {
    schema$allowed[rows] <- vapply(schema$allowed[rows], function(allowed) {
      paste(variants$variant[variants$kind %in% referred_kinds(allowed)], collapse = "|")
    }, character(1))
  }
  schema
}

#' Rows of the schema that describe the columns of a file.
#'
#' @param schema Data frame as of [read_schema()].
#' @param file Name such as "lesions.csv".
#' @return The rows, in the order of the columns.
schema_columns <- function(schema, file) {
  schema[schema$file == file & schema$run_key == "", ]
}

#' Allowed values of a factor column, in order.
#'
#' @param schema Data frame as of [read_schema()].
#' @param file,column Which column.
#' @return Character vector.
schema_levels <- function(schema, file, column) {
  strsplit(schema$allowed[schema$file == file & schema$column == column & schema$run_key == ""], "|", fixed = TRUE)[[1]]
}

#' Which numbers lie in an interval.
#'
#' @param values Numeric vector without NA.
#' @param interval Text such as "[0, 1]", "(0, Inf)" or "" (any finite number).
#' @return Logical vector.
is_in_interval <- function(values, interval) {
  if (interval == "") {
    return(is.finite(values))
  }
  limits <- as.numeric(strsplit(gsub("[][() ]", "", interval), ",")[[1]])
  above <- if (startsWith(interval, "[")) values >= limits[1] else values > limits[1]
  below <- if (endsWith(interval, "]")) values <= limits[2] else values < limits[2]
  is.finite(values) & above & below
}

#' What a cell of a column should hold, in words.
#'
#' @param spec One row of the schema.
#' @return String.
describe_expected <- function(spec) {
  interval <- if (spec$allowed == "") "" else paste(" in", spec$allowed)
  switch(spec$type,
    string = "text",
    flag = "0 or 1",
    factor = paste("one of", gsub("|", ", ", spec$allowed, fixed = TRUE)),
    integer = paste0("a whole number", interval),
    number = paste0("a number", interval)
  )
}
