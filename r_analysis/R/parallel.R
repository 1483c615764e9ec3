#' Applies a function to each element, on the cores of option `lirads.cores` (1 if it is not set).
#'
#' What the function returns must not depend on the order or on the process that it runs in.
#'
#' @param x Vector or list.
#' @param f Function of one element.
#' @return List, in the order of `x`. An error of any element is raised.
compute_in_parallel <- function(x, f) {
  cores <- getOption("lirads.cores", 1)
  if (cores == 1 || length(x) < 2 || .Platform$OS.type == "windows") {
    return(lapply(x, f))
  }
  parts <- parallel::mclapply(x, function(element) tryCatch(list(value = f(element)), error = identity),
    mc.cores = cores, mc.preschedule = FALSE
  )
  for (part in parts) {
    if (inherits(part, "error")) stop(part)
    if (is.null(part)) stop("a process of the analysis ended before it had finished; try --cores 1")
  }
  lapply(parts, function(part) part$value)
}

#' Draws random numbers in chunks, each from its own stream, so that they do not depend on the number of cores.
#'
#' The streams are those of L'Ecuyer P, Simard R, Chen EJ, Kelton WD. Oper Res 2002;50:1073-1075, one a chunk. A larger
#' `total` goes on where a smaller one ends. The caller's random numbers are left as they were.
#'
#' @param total Number of columns to draw.
#' @param draw Function of a number of columns that returns a matrix with as many.
#' @param seed Seed of the first stream.
#' @param chunk Columns a stream.
#' @return Matrix with `total` columns.
draw_in_streams <- function(total, draw, seed, chunk = 500) {
  kind <- RNGkind()
  state <- get0(".Random.seed", envir = globalenv(), inherits = FALSE)
  on.exit({
    RNGkind(kind[1], kind[2], kind[3])
    if (is.null(state)) rm(".Random.seed", envir = globalenv()) else assign(".Random.seed", state, envir = globalenv())
  })
  RNGkind("L'Ecuyer-CMRG", "Inversion", "Rejection")
  set.seed(seed)
  streams <- list(get(".Random.seed", envir = globalenv()))
  chunks <- ceiling(total / chunk)
  for (i in seq_len(chunks - 1)) {
    streams[[i + 1]] <- parallel::nextRNGStream(streams[[i]])
  }
  parts <- compute_in_parallel(seq_len(chunks), function(i) {
    assign(".Random.seed", streams[[i]], envir = globalenv())
    draw(chunk)
  })
  do.call(cbind, parts)[, seq_len(total), drop = FALSE]
}
