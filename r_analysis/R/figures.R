#' All figures of the report.
#'
#' @param analysis List as of [run_analysis()].
#' @return Named list; names are file names. Each is a list of `plot`, `caption` (for the report, without the cohort),
#'   `alt` (text for those who do not see it), `width`, `height` (inches), `data` (what is drawn, as a table) and, where
#'   the cohort is not the run's, its `label`; or of `picture` (path of a PNG), `caption`, `alt` and `width`, or, where
#'   the results lack what the figure needs, of `gap` (a sentence).
build_figures <- function(analysis) {
  drawn <- analysis$outputs[!vapply(analysis$outputs, function(output) is.null(output$figure), logical(1))]
  figures <- lapply(drawn, function(output) {
    figure <- output$plot(get_estimate(analysis, output$name), analysis)
    if (!is.null(figure) && !is.null(output$label)) figure$label <- get_label(output, analysis)
    figure
  })
  names(figures) <- vapply(drawn, `[[`, "", "figure")
  figures[!vapply(figures, is.null, logical(1))]
}

#' A figure that can always be drawn.
#' @param plot,caption,alt,width,height,data As in [build_figures()].
draw <- function(plot, caption, alt, width, height, data) {
  list(plot = plot, caption = caption, alt = alt, width = width, height = height, data = data)
}

#' A figure, or the gap where its data are not there; the plot is only evaluated if they are.
#' @param present Logical.
#' @param plot,caption,alt,width,height,data As in [build_figures()].
#' @param gap Sentence.
draw_if <- function(present, plot, caption, alt, width, height, data, gap) {
  if (present) draw(plot, caption, alt, width, height, data) else list(gap = gap)
}

#' Largest picture that is put into the page, in bytes; the page is to stay below 10 MB with all four.
MAXIMUM_PICTURE_BYTES <- 1.5e6

#' A figure that is a picture, or the gap.
#' @param pictures Named character vector as of [find_pictures()].
#' @param name Name in `PICTURES`, or "reader".
#' @param caption,alt,width As in [build_figures()].
embed <- function(pictures, name, caption, alt, width) {
  path <- unname(pictures[name])
  if (is.null(path) || is.na(path)) {
    return(list(gap = paste0("The results of this run have no ", PICTURES[[name]])))
  }
  if (file.size(path) > MAXIMUM_PICTURE_BYTES) {
    return(list(gap = paste0(basename(path), " is too large for the page; it lies in ", basename(dirname(path)))))
  }
  list(picture = path, caption = caption, alt = alt, width = width)
}

#' Writes each figure as PNG and SVG, and what it shows as CSV; a picture is copied.
#'
#' @param figures List as of [build_figures()].
#' @param folder Folder to write to; made if absent.
#' @param label Cohort label of the run, the first column of every CSV but those of a figure with a label of its own.
write_figures <- function(figures, folder, label) {
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  compute_in_parallel(names(figures), function(name) {
    figure <- figures[[name]]
    if (!is.null(figure$picture)) {
      file.copy(figure$picture, file.path(folder, paste0(name, ".png")), copy.mode = FALSE)
    }
    if (is.null(figure$plot)) {
      return(NULL)
    }
    save <- function(extension, device, ...) {
      ggplot2::ggsave(
        file.path(folder, paste0(name, extension)), figure$plot, device = device, width = figure$width,
        height = figure$height, bg = "white", ...
      )
    }
    save(".png", ragg::agg_png, dpi = 180)
    save(".svg", svglite::svglite)
    cohort <- if (is.null(figure$label)) label else figure$label
    write_table(cbind(cohort = cohort, as.data.frame(figure$data)), file.path(folder, paste0(name, ".csv")))
    NULL
  })
  invisible(NULL)
}
